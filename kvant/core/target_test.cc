#include "kvant/core/target.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

namespace kvant {
namespace {

// Leaves the choice as it was before the test: to KVANT_TARGET, or free.
class TargetTest : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_TRUE(SetTarget("auto").ok()); }

  static Target Active() {
    Target target{};
    EXPECT_TRUE(ActiveTarget(&target).ok());
    return target;
  }
};

TEST_F(TargetTest, NamesAreTheOnesUsersType) {
  EXPECT_EQ(Name(Target::kScalar), "scalar");
  EXPECT_EQ(Name(Target::kAVX2), "avx2");
  EXPECT_EQ(Name(Target::kAVX3), "avx3");
  EXPECT_EQ(Name(Target::kAVX3_DL), "avx3_dl");
  EXPECT_EQ(Name(Target::kNEON), "neon");
  EXPECT_EQ(Name(Target::kSVE), "sve");
  EXPECT_EQ(Name(Target::kSVE2), "sve2");
  EXPECT_EQ(Name(Target::kSVE_256), "sve_256");
  EXPECT_EQ(Name(Target::kSVE2_128), "sve2_128");
  EXPECT_EQ(Name(static_cast<Target>(200)), "unknown");
}

TEST_F(TargetTest, SupportedTargetsAreDistinctAndEndWithScalar) {
  const auto supported = SupportedTargets();
  ASSERT_FALSE(supported.empty());
  EXPECT_EQ(supported.back(), Target::kScalar);
  EXPECT_EQ(std::set<Target>(supported.begin(), supported.end()).size(), supported.size());
#if defined(__x86_64__)
  const std::set<Target> all(supported.begin(), supported.end());
  // Not always the other way round: a target stands for more extensions than these.
  EXPECT_LE(all.count(Target::kAVX2), __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 1u : 0u);
  EXPECT_LE(all.count(Target::kAVX3), __builtin_cpu_supports("avx512bw") ? 1u : 0u);
  EXPECT_LE(all.count(Target::kAVX3_DL), __builtin_cpu_supports("avx512vbmi") ? all.count(Target::kAVX3) : 0u);
  const Target best = all.count(Target::kAVX3_DL) != 0 ? Target::kAVX3_DL : Target::kAVX3;
  EXPECT_EQ(supported.front() == best, all.count(Target::kAVX3) != 0) << "best first";
#elif defined(__aarch64__)
  EXPECT_GE(supported.size(), 2u) << "every 64-bit Arm processor has NEON";
#endif
}

TEST_F(TargetTest, EverySupportedTargetCanBeChosen) {
  for (const Target target : SupportedTargets()) {
    EXPECT_TRUE(SetTarget(Name(target)).ok());
    EXPECT_EQ(Active(), target);
  }
}

TEST_F(TargetTest, AutoUndoesAChoice) {
  Target before{};
  const Status status = ActiveTarget(&before);
  ASSERT_TRUE(SetTarget("scalar").ok());
  EXPECT_EQ(Active(), Target::kScalar);
  ASSERT_TRUE(SetTarget("auto").ok());
  Target after{};
  EXPECT_EQ(ActiveTarget(&after).message(), status.message());
  EXPECT_EQ(after, before);
}

TEST_F(TargetTest, UnknownAndMissingTargetsAreErrorsThatListTheOthers) {
  ASSERT_TRUE(SetTarget("scalar").ok());
  std::string list;
  for (const Target target : SupportedTargets()) list.append(" ").append(Name(target));
#if defined(__x86_64__)
  constexpr std::string_view kMissing = "neon";
#else
  constexpr std::string_view kMissing = "avx2";
#endif
  for (const std::string_view name :
       {kMissing, std::string_view("avx1024"), std::string_view("AVX2"), std::string_view()}) {
    const Status status = SetTarget(name);
    EXPECT_EQ(status.code(), StatusCode::kUnavailable);
    EXPECT_EQ(status.message(), "SetTarget is \"" + std::string(name) + "\", but this build and CPU have:" + list);
  }
  EXPECT_EQ(Active(), Target::kScalar) << "a refused name changes nothing";
}

}  // namespace
}  // namespace kvant
