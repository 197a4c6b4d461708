#include "cli/io/safetensors.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/io/test_util.h"

namespace kvant::cli {
namespace {

using Entries = std::vector<TensorEntry>;

Status Read(const std::string& bytes, TensorTable* table) {
  return ReadSafetensors(*FromMemory("bad.safetensors", bytes), table);
}

// The message for a file with this header and this many bytes of data.
std::string ErrorOf(std::string_view json, size_t data_bytes = 0) {
  TensorTable table;
  return Read(SafetensorsBytes(json, std::string(data_bytes, 'd')), &table).message();
}

std::string OneTensor(std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return fmt::format(R"({{"a":{{"dtype":"{}","shape":{},"data_offsets":{}}}}})", dtype, shape, offsets);
}

// Written by the reference implementation, version 0.8.0:
//   save({"b": float32 [0, 1, 2], "a": int8 [[1, 1], [1, 1]], 'c d\n"é': float64 0}, {"k": "v", "a": "z/\\\x7f\x01é"})
const std::string kReferenceFile =
    SafetensorsBytes(
        R"({"__metadata__":{"a":"z/\\)"
        "\x7f"
        R"(\u0001é","k":"v"},"c d\n\"é":{"dtype":"F64","shape":[],"data_offsets":[0,8]},)"
        R"("b":{"dtype":"F32","shape":[3],"data_offsets":[8,20]},"a":{"dtype":"I8","shape":[2,2],"data_offsets":[20,24]}})") +
    std::string("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80?\0\0\0@\1\1\1\1", 24);

TEST(Safetensors, ReadsWhatTheReferenceImplementationWrote) {
  TensorTable table;
  const Status status = Read(kReferenceFile, &table);
  ASSERT_TRUE(status.ok()) << status.message();
  const auto start = static_cast<int64_t>(kReferenceFile.size()) - 24;
  EXPECT_EQ(start % 8, 0);
  EXPECT_EQ(table.entries, (Entries{{"c d\n\"é", ElementType::kF64, {}, 8, start},
                                    {"b", ElementType::kF32, {3}, 12, start + 8},
                                    {"a", ElementType::kI8, {2, 2}, 4, start + 20}}));
  EXPECT_EQ(table.metadata, (Metadata{{"a", "z/\\\x7f\x01é"}, {"k", "v"}}));
}

TEST(Safetensors, WritesTheSameBytesAsTheReferenceImplementation) {
  TensorTable table;
  table.entries = {{"a", ElementType::kI8, {2, 2}}, {"b", ElementType::kF32, {3}}, {"c d\n\"é", ElementType::kF64, {}}};
  table.metadata = {{"k", "v"}, {"a", "z/\\\x7f\x01é"}};
  std::string header;
  const Status status = EncodeSafetensors("out.safetensors", &table, &header);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(header, kReferenceFile.substr(0, kReferenceFile.size() - 24));
  const auto start = static_cast<int64_t>(header.size());
  EXPECT_EQ(table.entries[0].offset, start + 20);  // the caller's order stays
  EXPECT_EQ(table.entries[1].offset, start + 8);
  EXPECT_EQ(table.entries[2].offset, start);
}

TEST(Safetensors, RoundTripsEveryElementType) {
  TensorTable written;
  for (int row = 0; row < kNumElementTypes; ++row) {
    const auto type = static_cast<ElementType>(row);
    written.entries.push_back({std::string(Name(type)), type, {2, 0, 5}});
    written.entries.push_back({fmt::format("{}.weight", Name(type)), type, {3, 8}});
  }
  std::string bytes;
  ASSERT_TRUE(EncodeSafetensors("out", &written, &bytes).ok());
  int64_t data = 0;
  for (const TensorEntry& entry : written.entries) {
    EXPECT_EQ(entry.bytes, entry.shape.size() == 2 ? 3 * Info(entry.type).bits : 0) << entry.name;
    if (Info(entry.type).bits >= 8) {
      EXPECT_EQ(entry.offset % (Info(entry.type).bits / 8), 0) << entry.name;
    }
    data += entry.bytes;
  }
  TensorTable read;
  const Status status = Read(bytes + std::string(data, '\0'), &read);
  ASSERT_TRUE(status.ok()) << status.message();
  const auto by_name = [](const TensorEntry& a, const TensorEntry& b) { return a.name < b.name; };
  std::sort(written.entries.begin(), written.entries.end(), by_name);
  std::sort(read.entries.begin(), read.entries.end(), by_name);
  EXPECT_EQ(read.entries, written.entries);
}

TEST(Safetensors, ReadsWhatIsUnusualButLegal) {
  TensorTable table;
  const auto ok = [&](std::string_view json, size_t data) {
    table = {};
    const Status status = Read(SafetensorsBytes(json, std::string(data, 'd')), &table);
    EXPECT_TRUE(status.ok()) << status.message();
    return status.ok();
  };
  EXPECT_TRUE(ok("{}", 0));
  EXPECT_TRUE(table.entries.empty());
  EXPECT_TRUE(ok(R"({"__metadata__":null})", 0));
  EXPECT_TRUE(ok(R"({"__metadata__":{}})"
                 "\n\t \r ",
                 0));
  // Entries and members in any order; members that the format does not know.
  ASSERT_TRUE(ok(R"({"b":{"data_offsets":[2,6],"x":{"y":[[],{}, "z", -1.5e3, null]},"shape":[2],"dtype":"BF16","n":1},)"
                 R"("__metadata__":{"k":""},"":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
                 6));
  EXPECT_EQ(table.entries[0].name, "");
  EXPECT_EQ(table.entries[1].name, "b");
  EXPECT_EQ(table.metadata, (Metadata{{"k", ""}}));
  // Without data at any place that cuts nothing, in the order of the header.
  ASSERT_TRUE(ok(
      R"({"y":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"z":{"dtype":"F64","shape":[0,5],"data_offsets":[3,3]},)"
      R"("x":{"dtype":"F64","shape":[9,0],"data_offsets":[3,3]}})",
      3));
  EXPECT_EQ(table.entries[1].name, "z");
  EXPECT_EQ(table.entries[2].name, "x");
}

TEST(Safetensors, AlwaysChecksTheHeaderLengthFirst) {
  TensorTable table;
  EXPECT_EQ(Read("", &table).message(), "bad.safetensors: the file is empty");
  EXPECT_EQ(Read("12345", &table).message(),
            "bad.safetensors: 5 bytes are too few for the header length, which takes 8");
  EXPECT_EQ(Read(SafetensorsBytes("{" + std::string(99, ' '), "", 812), &table).message(),
            "bad.safetensors: header says 812 bytes but the file has 100 after the length field");
  EXPECT_EQ(
      Read(std::string(12, '\xff'), &table).message(),
      "bad.safetensors: is no safetensors file: its first 8 bytes tell of a header of 18446744073709551615 bytes, "
      "but 4 follow");
  EXPECT_EQ(Read(SafetensorsBytes(""), &table).message(), "bad.safetensors: header must begin with '{' but is empty");
  EXPECT_EQ(ErrorOf(" {}"), "bad.safetensors: header must begin with '{' but begins with ' '");
  EXPECT_EQ(ErrorOf("[]"), "bad.safetensors: header must begin with '{' but begins with '['");
}

TEST(Safetensors, NamesTheByteWhereTheHeaderIsNotJson) {
  EXPECT_EQ(ErrorOf("{"), "bad.safetensors: header is not valid JSON at byte 1, near '{'");
  EXPECT_EQ(ErrorOf(R"({"a":)"), R"(bad.safetensors: header is not valid JSON at byte 5, near '{"a":')");
  EXPECT_EQ(ErrorOf(OneTensor("F32", "[NaN]", "[0,4]"), 4),
            "bad.safetensors: header is not valid JSON at byte 30, near '\"dtype\":\"F32\",\"shape\":[N'");
  EXPECT_EQ(ErrorOf(OneTensor("F32", "[1e999]", "[0,4]"), 4),
            "bad.safetensors: header is not valid JSON at byte 34, near 'pe\":\"F32\",\"shape\":[1e999'");
  EXPECT_EQ(ErrorOf(R"({"a" /* no */:1})"), R"(bad.safetensors: header is not valid JSON at byte 6, near '{"a" /')");
  EXPECT_EQ(ErrorOf("{}{}"), "bad.safetensors: header is not valid JSON at byte 3, near '{}{'");
  EXPECT_EQ(ErrorOf("{\"a\xff\":1}"), R"(bad.safetensors: header is not valid JSON at byte 4, near '{"a\xff')");
  EXPECT_EQ(ErrorOf(R"({"\ud800":1})"), R"(bad.safetensors: header is not valid JSON at byte 9, near '{"\ud800"')");
  EXPECT_EQ(ErrorOf("{\"a\n\":1}"), R"(bad.safetensors: header is not valid JSON at byte 4, near '{"a\n')");
  EXPECT_EQ(ErrorOf(std::string_view("{}\0 ", 4)),
            R"(bad.safetensors: header is not valid JSON at byte 3, near '{}\x00')");
}

TEST(Safetensors, RefusesValuesOfTheWrongKind) {
  const std::string a = "bad.safetensors: tensor 'a': ";
  EXPECT_EQ(ErrorOf(R"({"a":5})"), a + "must be an object, not 5");
  EXPECT_EQ(ErrorOf(R"({"a":["U8",[1],[0,1]]})"), a + "must be an object, not an array");
  EXPECT_EQ(ErrorOf(R"({"a":null})"), a + "must be an object, not null");
  EXPECT_EQ(ErrorOf(R"({"a":{"dtype":true}})"), a + "dtype must be a string, not true");
  EXPECT_EQ(ErrorOf(R"({"a":{"dtype":{}}})"), a + "dtype must be a string, not an object");
  const std::string shape = a + "shape must be an array of integers from 0 to 9223372036854775807, but has ";
  EXPECT_EQ(ErrorOf(R"({"a":{"shape":"3"}})"), shape + "a string");
  EXPECT_EQ(ErrorOf(R"({"a":{"shape":3}})"), shape + "3");
  EXPECT_EQ(ErrorOf(R"({"a":{"shape":[[3]]}})"), shape + "an array");
  EXPECT_EQ(ErrorOf(R"({"a":{"shape":[2,-3]}})"), shape + "-3");
  EXPECT_EQ(ErrorOf(R"({"a":{"shape":[-0]}})"), shape + "-0");
  EXPECT_EQ(ErrorOf(R"({"a":{"shape":[1.5]}})"), shape + "1.5");
  EXPECT_EQ(ErrorOf(R"({"a":{"shape":[9223372036854775808]}})"), shape + "9223372036854775808");
  EXPECT_EQ(ErrorOf(R"({"a":{"shape":[99999999999999999999]}})"), shape + "99999999999999999999");
  const std::string offsets = a + "data_offsets must be two integers from 0 to 9223372036854775807, but has ";
  EXPECT_EQ(ErrorOf(R"({"a":{"data_offsets":{}}})"), offsets + "an object");
  EXPECT_EQ(ErrorOf(R"({"a":{"data_offsets":[]}})"), offsets + "nothing");
  EXPECT_EQ(ErrorOf(R"({"a":{"data_offsets":[4]}})"), offsets + "one number");
  EXPECT_EQ(ErrorOf(R"({"a":{"data_offsets":[0,4,8]}})"), offsets + "a third number, 8");
  EXPECT_EQ(ErrorOf(R"({"a":{"data_offsets":[-4,0]}})"), offsets + "-4");
  const std::string metadata = "bad.safetensors: __metadata__";
  EXPECT_EQ(ErrorOf(R"({"__metadata__":[]})"), metadata + " must be an object of strings, not an array");
  EXPECT_EQ(ErrorOf(R"({"__metadata__":{"k":1}})"), metadata + ": value of 'k' must be a string, not 1");
  EXPECT_EQ(ErrorOf(R"({"__metadata__":{"k":null}})"), metadata + ": value of 'k' must be a string, not null");
}

TEST(Safetensors, RefusesWhatIsMissingOrTwice) {
  const std::string a = "bad.safetensors: tensor 'a': ";
  EXPECT_EQ(ErrorOf(R"({"a":{}})"), a + "has no dtype");
  EXPECT_EQ(ErrorOf(R"({"a":{"dtype":"U8","data_offsets":[0,0]}})"), a + "has no shape");
  EXPECT_EQ(ErrorOf(R"({"a":{"dtype":"U8","shape":[0]}})"), a + "has no data_offsets");
  EXPECT_EQ(ErrorOf(R"({"a":{"dtype":"U8","dtype":"U8"}})"), a + "dtype appears twice");
  EXPECT_EQ(ErrorOf(R"({"a":{"shape":[],"shape":[]}})"), a + "shape appears twice");
  EXPECT_EQ(ErrorOf(R"({"a":{"data_offsets":[0,0],"data_offsets":[0,0]}})"), a + "data_offsets appears twice");
  const std::string entry = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_EQ(ErrorOf("{\"a\":" + entry + ",\"b\":" + entry + ",\"\\u0061\":" + entry + "}", 1),
            "bad.safetensors: tensor 'a' appears twice");
  EXPECT_EQ(ErrorOf(R"({"__metadata__":{"k":"1","k":"2"}})"), "bad.safetensors: __metadata__: key 'k' appears twice");
  EXPECT_EQ(ErrorOf(R"({"__metadata__":{},"__metadata__":{}})"), "bad.safetensors: __metadata__ appears twice");
}

TEST(Safetensors, RefusesDtypesThatDoNotExist) {
  TensorTable table;
  const Status status = Read(SafetensorsBytes(OneTensor("F128", "[1]", "[0,16]"), std::string(16, '\0')), &table);
  EXPECT_EQ(status.message(), "bad.safetensors: tensor 'a': unknown dtype 'F128'");
  EXPECT_EQ(status.code(), StatusCode::kInvalidType);
  EXPECT_EQ(ErrorOf(OneTensor("f32", "[1]", "[0,4]"), 4), "bad.safetensors: tensor 'a': unknown dtype 'f32'");
}

TEST(Safetensors, RefusesSizesThatOverflowOrDoNotFillBytes) {
  const std::string a = "bad.safetensors: tensor 'a': ";
  EXPECT_EQ(ErrorOf(OneTensor("F32", "[4611686018427387904,4]", "[0,0]")),
            a + "shape [4611686018427387904, 4] of F32 needs more than 9223372036854775807 bits");
  // A dimension of 0 does not excuse the others: their strides would overflow.
  EXPECT_EQ(ErrorOf(OneTensor("U8", "[0,1099511627776,1099511627776]", "[0,0]")),
            a + "shape [0, 1099511627776, 1099511627776] of U8 needs more than 9223372036854775807 bits");
  EXPECT_EQ(ErrorOf(OneTensor("F4", "[3]", "[0,2]"), 2),
            a + "shape [3] of F4 needs 12 bits, which is not a whole number of bytes");
  std::string ones = "[1";
  for (int i = 1; i < 65; ++i) ones += ",1";
  EXPECT_EQ(ErrorOf(OneTensor("U8", ones + "]", "[0,1]"), 1), a + "shape has more than 64 dimensions");
}

TEST(Safetensors, RefusesOffsetsThatDoNotTileTheData) {
  EXPECT_EQ(ErrorOf(OneTensor("F32", "[1]", "[8,4]"), 8),
            "bad.safetensors: tensor 'a': data_offsets [8, 4] end before they begin");
  EXPECT_EQ(ErrorOf(OneTensor("F32", "[3]", "[0,8]"), 8),
            "bad.safetensors: tensor 'a': data_offsets [0, 8] hold 8 bytes but shape [3] of F32 needs 12");
  EXPECT_EQ(ErrorOf(OneTensor("F32", "[2]", "[0,8]"), 4),
            "bad.safetensors: tensor 'a': data_offsets [0, 8] run past the end of the data, which has 4 bytes");
  EXPECT_EQ(ErrorOf(OneTensor("U8", "[2]", "[9223372036854775805,9223372036854775807]"), 4),
            "bad.safetensors: tensor 'a': data_offsets [9223372036854775805, 9223372036854775807] run past the end of "
            "the data, which has 4 bytes");
  EXPECT_EQ(ErrorOf(OneTensor("F32", "[2]", "[0,8]"), 9),
            "bad.safetensors: the tensors need 8 bytes of data but the file has 9");
  EXPECT_EQ(ErrorOf("{}", 1), "bad.safetensors: the tensors need 0 bytes of data but the file has 1");
  EXPECT_EQ(ErrorOf(OneTensor("U8", "[2]", "[1,3]"), 3),
            "bad.safetensors: bytes 0 to 1 of the data, before tensor 'a', belong to no tensor");
  const auto two = [](int begin, int end) {
    return fmt::format(R"({{"b":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}},)"
                       R"("a":{{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}}})",
                       end - begin, begin, end);
  };
  EXPECT_EQ(ErrorOf(two(3, 8), 8), "bad.safetensors: tensor 'b': data_offsets [3, 8] overlap [0, 4] of tensor 'a'");
  EXPECT_EQ(ErrorOf(two(0, 4), 4), "bad.safetensors: tensor 'a': data_offsets [0, 4] overlap [0, 4] of tensor 'b'");
  EXPECT_EQ(ErrorOf(two(2, 2), 4), "bad.safetensors: tensor 'b': data_offsets [2, 2] overlap [0, 4] of tensor 'a'");
  EXPECT_EQ(ErrorOf(two(6, 8), 8), "bad.safetensors: bytes 4 to 6 of the data, before tensor 'b', belong to no tensor");
}

TEST(Safetensors, RefusesDepthButNotWithinReason) {
  const auto nested = [](int depth) {
    return "{\"a\":{\"x\":" + std::string(depth, '[') + std::string(depth, ']') +
           R"(,"dtype":"U8","shape":[],"data_offsets":[0,1]}})";
  };
  EXPECT_EQ(ErrorOf(nested(128), 1), "");
  EXPECT_EQ(ErrorOf(nested(129), 1), "bad.safetensors: tensor 'a': an unknown member nests deeper than 128 levels");
  EXPECT_EQ(ErrorOf("{\"a\":{\"x\":" + std::string(1'000'000, '[')),
            "bad.safetensors: tensor 'a': an unknown member nests deeper than 128 levels");
}

TEST(Safetensors, ShowsNamesFromTheFileOnOneLine) {
  EXPECT_EQ(ErrorOf(R"({"a\n\u001b[2J":5})"), "bad.safetensors: tensor 'a\\n\\x1b[2J': must be an object, not 5");
  EXPECT_EQ(ErrorOf("{\"" + std::string(5000, 'n') + "\":5}").size(), 255u);
}

TEST(Safetensors, RefusesToWriteWhatCouldNotBeRead) {
  const auto error = [](TensorTable table) {
    std::string header;
    return EncodeSafetensors("out.safetensors", &table, &header).message();
  };
  const TensorEntry a{"a", ElementType::kU8, {1}};
  EXPECT_EQ(error({{a, a}, {}}), "out.safetensors: tensor 'a' appears twice");
  EXPECT_EQ(error({{{"__metadata__", ElementType::kU8, {1}}}, {}}),
            "out.safetensors: safetensors reserves the name '__metadata__'");
  EXPECT_EQ(error({{{"a", ElementType::kU8, {2, -1}}}, {}}),
            "out.safetensors: tensor 'a': shape [2, -1] has a negative dimension");
  EXPECT_EQ(error({{{"a\xff", ElementType::kU8, {1}}}, {}}),
            "out.safetensors: 'a\\xff' is not UTF-8; names and metadata of safetensors must be");
  EXPECT_EQ(error({{a}, {{"k", "v\xff"}}}),
            "out.safetensors: 'v\\xff' is not UTF-8; names and metadata of safetensors must be");
  constexpr int64_t kHuge = int64_t{1} << 59;
  TensorTable many;
  for (char name = 'a'; name <= 'i'; ++name) many.entries.push_back({std::string(1, name), ElementType::kU8, {kHuge}});
  EXPECT_EQ(error(many), "out.safetensors: the tensors need more than 4611686018427387904 bytes");
  EXPECT_EQ(
      error({{a}, {{"k", std::string(100'000'000, 'x')}}}),
      "out.safetensors: names, shapes and metadata need a header of 100000080 bytes but safetensors allows at most "
      "100000000");
}

}  // namespace
}  // namespace kvant::cli
