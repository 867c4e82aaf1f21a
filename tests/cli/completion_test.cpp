// The scripts of `orrery completion`, run by the shells themselves where they are installed.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <sstream>

#include "command_line.hpp"
#include "scratch_folder.hpp"

namespace orrery {
namespace {

/// What bash would offer for the words, the last one being completed.
std::set<std::string> completions(const ScratchFolder& folder, const std::string& words, int count) {
    folder.write("ask.sh", "source '" + folder.path("orrery.bash") + "'\nCOMP_WORDS=(" + words +
                               ")\nCOMP_CWORD=" + std::to_string(count - 1) +
                               "\n_orrery\nprintf '%s\\n' \"${COMPREPLY[@]}\" >'" + folder.path("answer") +
                               "'\n");
    EXPECT_EQ(std::system(("bash '" + folder.path("ask.sh") + "'").c_str()), 0);
    std::istringstream lines(folder.contents("answer"));
    std::set<std::string> found;
    for (std::string line; std::getline(lines, line);)
        if (!line.empty()) found.insert(line);
    return found;
}

TEST(Completion, OfBashKnowsCommandsAndTheirOptions) {
    const ScratchFolder folder;
    const Outcome script = orrery_command("completion bash");
    ASSERT_EQ(script.status, 0) << script.err;
    folder.write("orrery.bash", script.out);
    EXPECT_EQ(completions(folder, "orrery sw", 2), (std::set<std::string>{"sweep"}));
    EXPECT_EQ(completions(folder, "orrery schema", 2), (std::set<std::string>{}));  // hidden
    EXPECT_EQ(completions(folder, "orrery sweep study.yaml --res", 4), (std::set<std::string>{"--resume"}));
    EXPECT_EQ(completions(folder, "orrery list cal", 3), (std::set<std::string>{"calibrations"}));
}

// Every option that a command's help names is offered.
TEST(Completion, NamesEveryOption) {
    for (const std::string shell : {"bash", "zsh", "fish"}) {
        const Outcome script = orrery_command("completion " + shell);
        ASSERT_EQ(script.status, 0) << script.err;
        for (const std::string option : {"memory-limit", "algorithm", "no-fold", "best"})
            EXPECT_NE(script.out.find(option), std::string::npos) << shell << " " << option;
    }
    const Outcome wrong = orrery_command("completion bsh");
    EXPECT_EQ(wrong.status, 2);
    EXPECT_NE(wrong.err.find("bash"), std::string::npos) << wrong.err;
}

}  // namespace
}  // namespace orrery
