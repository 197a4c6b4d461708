#include "cli/io/npy.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/io/test_util.h"

namespace kvant::cli {
namespace {

Status Read(const std::string& bytes, TensorTable* table) {
  return ReadNpy(*FromMemory("bad.npy", bytes), "bad", table);
}

Status ReadText(std::string_view text, size_t data_bytes) {
  TensorTable table;
  return Read(NpyBytes(text, std::string(data_bytes, 'd')), &table);
}

std::string ErrorOf(std::string_view text, size_t data_bytes = 0) { return ReadText(text, data_bytes).message(); }

std::string Dictionary(std::string_view descr, std::string_view shape, std::string_view fortran_order = "False") {
  return fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}\n", descr, fortran_order, shape);
}

// What numpy.save of NumPy 2.4 writes: the header's text and the number of spaces after it. The first leaves less room
// for its first dimension to grow; the last ends on a boundary of 64 bytes as it is, and NumPy then adds 64 more.
struct Saved {
  ElementType type;
  std::vector<int64_t> shape;
  std::string text;
  size_t spaces;
};
const Saved kSaved[] = {
    {ElementType::kF32, {1234567890123}, "{'descr': '<f4', 'fortran_order': False, 'shape': (1234567890123,), }", 48},
    {ElementType::kF32, {3, 4}, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }", 58},
    {ElementType::kF32, {}, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }", 62},
    {ElementType::kF64, {5}, "{'descr': '<f8', 'fortran_order': False, 'shape': (5,), }", 60},
    {ElementType::kI8, {2, 0}, "{'descr': '|i1', 'fortran_order': False, 'shape': (2, 0), }", 58},
    {ElementType::kF16, {1, 128, 12, 64}, "{'descr': '<f2', 'fortran_order': False, 'shape': (1, 128, 12, 64), }", 48},
    {ElementType::kF16,
     {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 100},
     "{'descr': '<f2', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 100), }",
     84},
};

TEST(Npy, WritesTheSameBytesAsNumPyAndReadsThem) {
  for (const Saved& saved : kSaved) {
    TensorTable table;
    table.entries = {{"x", saved.type, saved.shape}};
    std::string header;
    const Status status = EncodeNpy("x.npy", &table, &header);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(header, NpyBytes(saved.text + std::string(saved.spaces, ' ') + "\n"));
    EXPECT_EQ(header.size() % 64, 0u);
    EXPECT_EQ(table.entries[0].offset, static_cast<int64_t>(header.size()));
    if (table.entries[0].bytes > 1000) continue;
    TensorTable read;
    const Status again = ReadNpy(*FromMemory("x.npy", header + std::string(table.entries[0].bytes, 'd')), "x", &read);
    ASSERT_TRUE(again.ok()) << again.message();
    EXPECT_EQ(read.entries, table.entries);
  }
}

TEST(Npy, RoundTripsEveryElementTypeThatItHas) {
  int types = 0;
  for (int row = 0; row < kNumElementTypes; ++row) {
    const auto type = static_cast<ElementType>(row);
    TensorTable written, read;
    written.entries = {{"x", type, {3, 2}}};
    std::string bytes;
    const Status status = EncodeNpy("x.npy", &written, &bytes);
    if (Info(type).npy.empty()) {
      EXPECT_EQ(status.message(), fmt::format("x.npy: tensor 'x': .npy cannot hold {}; use .safetensors", Name(type)));
      EXPECT_EQ(status.code(), StatusCode::kInvalidType);
      continue;
    }
    ASSERT_TRUE(status.ok()) << status.message();
    const Status again = ReadNpy(*FromMemory("x.npy", bytes + std::string(written.entries[0].bytes, 'd')), "x", &read);
    ASSERT_TRUE(again.ok()) << again.message();
    EXPECT_EQ(read.entries, written.entries);
    ++types;
  }
  EXPECT_EQ(types, 13);
}

TEST(Npy, RefusesBFloat16AndFp8AndNamesSafetensors) {
  for (const ElementType type : {ElementType::kBF16, ElementType::kF8E4M3}) {
    TensorTable table;
    table.entries = {{"k_proj", type, {2}}};
    std::string header;
    EXPECT_EQ(EncodeNpy("out.npy", &table, &header).message(),
              fmt::format("out.npy: tensor 'k_proj': .npy cannot hold {}; use .safetensors", Name(type)));
  }
  // What numpy.save makes of ml_dtypes.bfloat16, and of float8_e4m3fn and float8_e5m2.
  for (const char* descr : {"<V2", "|V2"}) {
    const Status status = ReadText(Dictionary(descr, "(2,)"), 4);
    EXPECT_EQ(status.message(), fmt::format("bad.npy: dtype '{}' is how NumPy stores bfloat16, which .npy cannot name; "
                                            "use .safetensors",
                                            descr));
    EXPECT_EQ(status.code(), StatusCode::kInvalidType);
  }
  for (const char* descr : {"<V1", "<f1"}) {
    EXPECT_EQ(
        ErrorOf(Dictionary(descr, "(2,)"), 2),
        fmt::format("bad.npy: dtype '{}' is how NumPy stores FP8, which .npy cannot name; use .safetensors", descr));
  }
}

TEST(Npy, ReadsVersions1To3AndEveryWayToWriteTheDictionary) {
  const std::string data(24, 'd');
  const auto shape = [&](std::string_view text, char major) {
    TensorTable table;
    const Status status = Read(NpyBytes(text, data, major), &table);
    EXPECT_TRUE(status.ok()) << status.message();
    return status.ok() ? table.entries[0].shape : std::vector<int64_t>{-1};
  };
  using Shape = std::vector<int64_t>;
  for (const char major : {1, 2, 3}) {
    EXPECT_EQ(shape(Dictionary("<f4", "(3, 2)"), major), (Shape{3, 2}));
  }
  EXPECT_EQ(shape("{\"shape\":(6,),\"fortran_order\":False,\"descr\":\"<i4\"}", 1), (Shape{6}));
  EXPECT_EQ(shape(" { 'descr' : '<c8' , 'shape' : ( 3 , 1 , ) , 'fortran_order' : False } \t\r\n", 1), (Shape{3, 1}));
  EXPECT_EQ(shape(Dictionary("<f2", "(3L, 4L)"), 1), (Shape{3, 4}));
  EXPECT_EQ(shape(Dictionary(">i1", "(24,)"), 1), (Shape{24}));  // the byte order of one byte
}

TEST(Npy, ReadsFortranOrderOnlyWhereItIsCOrder) {
  const auto error = [](std::string_view shape, size_t bytes) {
    return ErrorOf(Dictionary("<f4", shape, "True"), bytes);
  };
  EXPECT_EQ(error("(3, 4)", 48),
            "bad.npy: shape [3, 4] is in Fortran order; save it in C order with numpy.ascontiguousarray");
  EXPECT_EQ(error("(1, 3, 1, 4)", 48),
            "bad.npy: shape [1, 3, 1, 4] is in Fortran order; save it in C order with numpy.ascontiguousarray");
  EXPECT_EQ(error("()", 4), "");
  EXPECT_EQ(error("(12,)", 48), "");
  EXPECT_EQ(error("(1, 12, 1)", 48), "");
  EXPECT_EQ(error("(3, 0, 4)", 0), "");
}

TEST(Npy, RefusesDtypesItCannotRead) {
  const auto error = [](std::string_view descr) { return ErrorOf(Dictionary(descr, "(2,)"), 16); };
  EXPECT_EQ(error(">f4"), "bad.npy: dtype '>f4' is big-endian; kvant reads little-endian files");
  EXPECT_EQ(error(">i8"), "bad.npy: dtype '>i8' is big-endian; kvant reads little-endian files");
  for (const char* descr : {"|O", "<U3", "|S3", "<M8[s]", "<f16", "<c16", "=f4", "|f4", "f4", "<", "", "<f4 "}) {
    EXPECT_EQ(error(descr), fmt::format("bad.npy: dtype '{}' is not supported", descr));
  }
  const Status status = ReadText("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", 8);
  EXPECT_EQ(status.message(), "bad.npy: arrays of structures are not supported");
  EXPECT_EQ(status.code(), StatusCode::kInvalidType);
}

TEST(Npy, ChecksMagicVersionAndLengths) {
  TensorTable table;
  EXPECT_EQ(Read("", &table).message(), "bad.npy: the file is empty");
  EXPECT_EQ(Read("hello, world", &table).message(), "bad.npy: does not begin with the magic string of .npy files");
  EXPECT_EQ(Read("\x93NUM", &table).message(), "bad.npy: does not begin with the magic string of .npy files");
  EXPECT_EQ(Read("\x93NUMPY", &table).message(), "bad.npy: 6 bytes are too few for a .npy file");
  EXPECT_EQ(Read(NpyBytes("").substr(0, 9), &table).message(), "bad.npy: 9 bytes are too few for a .npy file");
  EXPECT_EQ(Read(NpyBytes("", "", 2).substr(0, 11), &table).message(), "bad.npy: 11 bytes are too few for a .npy file");
  EXPECT_EQ(Read(NpyBytes(Dictionary("<f4", "()"), "dddd", 4), &table).message(),
            "bad.npy: is version 4.0 of .npy; kvant reads 1.0, 2.0 and 3.0");
  std::string bytes = NpyBytes(Dictionary("<f4", "()"), "dddd");
  bytes[7] = 1;
  EXPECT_EQ(Read(bytes, &table).message(), "bad.npy: is version 1.1 of .npy; kvant reads 1.0, 2.0 and 3.0");
  EXPECT_EQ(Read(NpyBytes(Dictionary("<f4", "()")).substr(0, 40), &table).message(),
            "bad.npy: header says 56 bytes but the file has 30 after the length field");
  EXPECT_EQ(Read(std::string("\x93NUMPY\2\0\xff\xff\xff\xff{}", 14), &table).message(),
            "bad.npy: header says 4294967295 bytes but the file has 2 after the length field");
  EXPECT_EQ(Read(NpyBytes(std::string(70'000, ' '), "", 2), &table).message(),
            "bad.npy: header says 70000 bytes but kvant reads at most 65535");
}

TEST(Npy, ChecksSizes) {
  EXPECT_EQ(ErrorOf(Dictionary("<f4", "(3, 4)"), 40),
            "bad.npy: shape [3, 4] of F32 needs 48 bytes but the file has 40 after the header");
  EXPECT_EQ(ErrorOf(Dictionary("<f4", "(3, 4)"), 49),
            "bad.npy: shape [3, 4] of F32 needs 48 bytes but the file has 49 after the header");
  EXPECT_EQ(ErrorOf(Dictionary("<f4", "(3, -4)")), "bad.npy: tensor 'bad': shape [3, -4] has a negative dimension");
  EXPECT_EQ(ErrorOf(Dictionary("<f8", "(4611686018427387904, 4)")),
            "bad.npy: tensor 'bad': shape [4611686018427387904, 4] of F64 needs more than 9223372036854775807 bits");
  std::string ones = "(";
  for (int i = 0; i < 65; ++i) ones += "1,";
  EXPECT_EQ(ErrorOf(Dictionary("<f4", ones + ")"), 4), "bad.npy: tensor 'bad': shape has more than 64 dimensions");
}

TEST(Npy, NamesTheByteWhereTheHeaderIsNoDictionary) {
  const auto at = [](int byte, std::string_view near) {
    return fmt::format("bad.npy: header is not a dictionary of descr, fortran_order and shape at byte {}, near '{}'",
                       byte, near);
  };
  EXPECT_EQ(ErrorOf(""), at(0, ""));
  EXPECT_EQ(ErrorOf("hello"), at(0, "hello"));
  EXPECT_EQ(ErrorOf("{'descr': '<f4'"), at(15, ""));
  EXPECT_EQ(ErrorOf("{'descr': '<f4"), at(10, "'<f4"));
  EXPECT_EQ(ErrorOf("{'descr': '\\x3cf4'}"), at(10, "'\\x3cf4'}"));
  EXPECT_EQ(ErrorOf("{'descr' '<f4'}"), at(9, "'<f4'}"));
  EXPECT_EQ(ErrorOf("{'descr': '<f4' 'shape': ()}"), at(16, "'shape': ()}"));
  EXPECT_EQ(ErrorOf("{'descr': '<f4', 'descr': '<f4'}"), at(26, "'<f4'}"));
  EXPECT_EQ(ErrorOf("{'descr': nan}"), at(10, "nan}"));
  EXPECT_EQ(ErrorOf("{'order': 1}"), at(10, "1}"));
  EXPECT_EQ(ErrorOf("{'fortran_order': 0}"), at(18, "0}"));
  EXPECT_EQ(ErrorOf("{'shape': [3]}"), at(10, "[3]}"));
  EXPECT_EQ(ErrorOf("{'shape': (3)}"), at(13, "}"));
  EXPECT_EQ(ErrorOf("{'shape': (3 4)}"), at(13, "4)}"));
  EXPECT_EQ(ErrorOf("{'shape': (,)}"), at(11, ",)}"));
  EXPECT_EQ(ErrorOf("{'shape': (2.5,)}"), at(12, ".5,)}"));
  EXPECT_EQ(ErrorOf("{'shape': (99999999999999999999,)}"), at(11, "99999999999999999999,)}"));
  EXPECT_EQ(ErrorOf("{'shape': (-,)}"), at(11, "-,)}"));
  EXPECT_EQ(ErrorOf(Dictionary("<f4", "()") + "x"), at(56, "x"));
  EXPECT_EQ(ErrorOf("{}"), "bad.npy: header has no descr");
  EXPECT_EQ(ErrorOf("{'descr': '<f4'}"), "bad.npy: header has no fortran_order");
  EXPECT_EQ(ErrorOf("{'descr': '<f4', 'fortran_order': True}"), "bad.npy: header has no shape");
}

TEST(Npy, RefusesToWriteWhatItCannotHold) {
  std::string header;
  const TensorEntry a{"a", ElementType::kF32, {1}}, b{"b", ElementType::kF32, {1}};
  TensorTable table{{a, b}, {}};
  EXPECT_EQ(EncodeNpy("out.npy", &table, &header).message(),
            "out.npy: .npy holds one tensor but there are 2; use .safetensors");
  table = {};
  EXPECT_EQ(EncodeNpy("out.npy", &table, &header).message(),
            "out.npy: .npy holds one tensor but there are 0; use .safetensors");
  table = {{a}, {{"k", "v"}}};
  EXPECT_EQ(EncodeNpy("out.npy", &table, &header).message(), "out.npy: .npy cannot hold metadata; use .safetensors");
  table = {{{"a", ElementType::kF32, {-1}}}, {}};
  EXPECT_EQ(EncodeNpy("out.npy", &table, &header).message(),
            "out.npy: tensor 'a': shape [-1] has a negative dimension");
}

}  // namespace
}  // namespace kvant::cli
