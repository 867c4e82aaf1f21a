#include "core/nearest_name.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace orrery {
namespace {

const std::vector<std::string> names = {"gpt3-175b", "llama2-7b", "llama2-70b"};

TEST(NearestName, FindsTheSmallestEdit) {
    EXPECT_EQ(nearest_name("gtp3-175b", names), "gpt3-175b");
    EXPECT_EQ(nearest_name("LLAMA2-7B", names), "llama2-7b");
    EXPECT_EQ(nearest_name("llama-70b", names), "llama2-70b");
}

TEST(NearestName, SaysNothingWhenAllAreFar) {
    EXPECT_EQ(nearest_name("resnet", names), std::nullopt);
    EXPECT_EQ(nearest_name("", names), std::nullopt);
    EXPECT_EQ(nearest_name(std::string(1000, 'x'), names), std::nullopt);
}

TEST(NearestName, TellsWhatIsAllowed) {
    EXPECT_EQ(
        unknown_name("model", "llama2-7", names),
        "unknown model 'llama2-7'; did you mean 'llama2-7b'? (allowed: gpt3-175b, llama2-7b, llama2-70b)");
    EXPECT_EQ(unknown_name("model", "a\nb", names),
              "unknown model 'a?b' (allowed: gpt3-175b, llama2-7b, llama2-70b)");
}

}  // namespace
}  // namespace orrery
