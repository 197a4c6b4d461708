#include "cli/common.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "cli/cmd_bench.h"
#include "cli/error_stats.h"

namespace kvant::cli {
namespace {

TEST(Table, LinesColumnsUp) {
  Table table({"<name", "n", "<note"});
  table.Add({"a", "1,000", "x"});
  table.AddText("a line of its own that is longer than the columns");
  table.Add({"größer", "2", ""});
  EXPECT_EQ(table.Text(),
            "name        n  note\n"
            "a       1,000  x\n"
            "a line of its own that is longer than the columns\n"
            "größer      2\n");
}

TEST(Numbers, AreShownForPeople) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1000), "1,000");
  EXPECT_EQ(Grouped(-999), "-999");
  EXPECT_EQ(Grouped(-1234567), "-1,234,567");
  EXPECT_EQ(Short(0), "0");
  EXPECT_EQ(Short(0.00123456), "0.00123");
  EXPECT_EQ(Short(0.5), "0.5");
  EXPECT_EQ(Short(0.99951), "1.00");
  EXPECT_EQ(Short(-1.234), "-1.23");
  EXPECT_EQ(Short(9.996), "10.0");
  EXPECT_EQ(Short(99.96), "100");
  EXPECT_EQ(Short(12345.6), "12346");
  EXPECT_EQ(Short(1234567), "1.23e+06");
  EXPECT_EQ(Short(0.00001), "1.00e-05");
  EXPECT_EQ(Short(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(Short(std::nan("")), "nan");
  EXPECT_EQ(Count(1, "tensor"), "1 tensor");
  EXPECT_EQ(Count(0, "tensor"), "0 tensors");
  EXPECT_EQ(Count(1200, "row"), "1,200 rows");
}

TEST(BenchShape, IsRowsTimesColumns) {
  BenchOptions::Shape shape;
  ASSERT_TRUE(ParseBenchShape("128x7168", &shape));
  EXPECT_EQ(shape.rows, 128);
  EXPECT_EQ(shape.columns, 7168);
  for (const char* const text : {"", "4", "4x", "x4", "0x4", "4x-1", "4x4x", "4x4x4", "4*4", "9999999999x1"}) {
    EXPECT_FALSE(ParseBenchShape(text, &shape)) << text;
  }
}

TEST(ErrorStats, OfKnownNumbers) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
  const double a[] = {3, 4, nan, inf, inf, 0}, b[] = {3, 4.5, nan, inf, 1, 0};
  ErrorStats stats;
  stats.Add(a, b, 1);  // in two pieces: positions go on
  stats.Add(a + 1, b + 1, 5);
  EXPECT_EQ(stats.max_error(), 0.5);
  EXPECT_EQ(stats.max_error_at(), 1);
  EXPECT_EQ(stats.unlike(), 1);
  EXPECT_DOUBLE_EQ(stats.Sqnr(), 20.0);  // 10 log10(25 / 0.25)
  EXPECT_DOUBLE_EQ(stats.Cosine(), 27 / std::sqrt(25.0 * 29.25));
}

TEST(ErrorStats, KeepsTheDigitsOfWideIntegers) {
  const long double a[] = {0x1p63L + 2049, -0x1p62L - 1}, b[] = {0x1p63L + 2048, -0x1p62L - 1};
  ErrorStats stats;
  stats.Add(a, b, 2);
  EXPECT_EQ(stats.max_error(), 1);
}

TEST(ErrorStats, HasNoCosineAboveOne) {
  for (int n = 1; n < 200; ++n) {
    const std::vector<double> a(static_cast<size_t>(n), 0.1 * n);
    ErrorStats stats;
    stats.Add(a.data(), a.data(), n);
    EXPECT_LE(stats.Cosine(), 1) << n;
  }
}

TEST(ErrorStats, OfEqualAndOfEmptyLists) {
  ErrorStats nothing;
  EXPECT_EQ(nothing.Sqnr(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(nothing.Cosine(), 1);
  const double zero = 0, one = 1;
  ErrorStats noise_only;
  noise_only.Add(&zero, &one, 1);
  EXPECT_EQ(noise_only.Sqnr(), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(noise_only.Cosine()));
}

TEST(Alternatives, EndWithOr) {
  EXPECT_EQ(Alternatives({}), "");
  EXPECT_EQ(Alternatives({"a"}), "a");
  EXPECT_EQ(Alternatives({"a", "b"}), "a or b");
  EXPECT_EQ(Alternatives({"a", "b", "c"}), "a, b or c");
}

}  // namespace
}  // namespace kvant::cli
