#include "cli/io/message.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <vector>

namespace kvant::cli {
namespace {

TEST(Printable, KeepsTextAndEscapesWhatDisturbsALine) {
  EXPECT_EQ(Printable("model.layers.0/w'q' \\ z"), "model.layers.0/w'q' \\ z");
  EXPECT_EQ(Printable("h\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x98\x80"), "h\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x98\x80");
  EXPECT_EQ(Printable("a\nb\tc\x1b[31m"), "a\\nb\\x09c\\x1b[31m");
  EXPECT_EQ(Printable(std::string_view("a\0b\x7f", 4)), "a\\x00b\\x7f");
  EXPECT_EQ(Printable("\xc2\x85 \xe2\x80\xa8 \xe2\x80\xae \xef\xbb\xbf"), "\\u0085 \\u2028 \\u202e \\ufeff");
}

TEST(Printable, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(Printable("\xff"), "\\xff");
  EXPECT_EQ(Printable("\xc3"), "\\xc3");                             // cut short
  EXPECT_EQ(Printable("\xc3z"), "\\xc3z");                           // no continuation
  EXPECT_EQ(Printable("\xc0\x8a"), "\\xc0\\x8a");                    // overlong newline
  EXPECT_EQ(Printable("\xe0\x80\x8a"), "\\xe0\\x80\\x8a");           // and in three bytes
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(Printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
}

TEST(Printable, CutsAtTheLimitBetweenCharacters) {
  EXPECT_EQ(Printable("abcdef", 6), "abcdef");
  EXPECT_EQ(Printable("abcdefg", 6), "abcdef...");
  EXPECT_EQ(Printable("abcde\xc3\xa9", 6), "abcde...");
  EXPECT_EQ(Printable("abcd\n\n", 6), "abcd\\n...");
  EXPECT_EQ(Printable(std::string(1000, 'x')).size(), 203u);
}

TEST(PrintablePath, IsNeverCutAndNeverEmpty) {
  EXPECT_EQ(PrintablePath(std::string(1000, 'x')).size(), 1000u);
  EXPECT_EQ(PrintablePath(""), "''");
}

TEST(Messages, NameFileAndTensor) {
  EXPECT_EQ(FileError("x.npy", "{} of {}", 1, 2).message(), "x.npy: 1 of 2");
  EXPECT_EQ(FileError("x.npy", "{} of {}", 1, 2).code(), StatusCode::kInvalidValue);
  EXPECT_EQ(TensorError("x", "a\nb", "bad {}", "{}").message(), "x: tensor 'a\\nb': bad {}");
  EXPECT_EQ(SystemError("x", "cannot open", ENOENT).message(), "x: cannot open: No such file or directory");
  EXPECT_EQ(SystemError("x", "cannot open", ENOENT).code(), StatusCode::kUnavailable);
}

TEST(Messages, ShapeText) {
  EXPECT_EQ(ShapeText({}), "[]");
  EXPECT_EQ(ShapeText(std::vector<int64_t>{3}), "[3]");
  EXPECT_EQ(ShapeText(std::vector<int64_t>{3, 0, -4}), "[3, 0, -4]");
}

}  // namespace
}  // namespace kvant::cli
