#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "command_line.hpp"

namespace orrery {
namespace {

TEST(CommandLine, TellsItsVersion) {
    const Outcome outcome = orrery_command("--version");
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.out.substr(0, 7), "orrery ");
}

TEST(CommandLine, HelpsOnStandardOutput) {
    const Outcome outcome = orrery_command("list --help");
    EXPECT_EQ(outcome.status, 0);
    EXPECT_NE(outcome.out.find("--json"), std::string::npos);
    EXPECT_EQ(outcome.err, "");
}

struct Mistake {
    std::string arguments;
    std::string message;
};

TEST(CommandLine, NamesWhatWasMeant) {
    for (const Mistake& mistake : std::vector<Mistake>{
             {"", "orrery: error: no command given"},
             {"lsit", "orrery: error: unknown command 'lsit'; did you mean 'list'?"},
             {"list --jsn models", "orrery: error: unknown option '--jsn'; did you mean '--json'?"},
             {"list --jsn", "orrery: error: unknown option '--jsn'; did you mean '--json'?"},
             {"list", "orrery: error: kind is required"},
             {"list model",
              "orrery: error: unknown kind 'model'; did you mean 'models'? (allowed: models, clusters"},
             {"list models more", "orrery: error: unexpected argument 'more'; see orrery list --help"},
         }) {
        const Outcome outcome = orrery_command(mistake.arguments);
        EXPECT_EQ(outcome.status, 2) << mistake.arguments;
        EXPECT_EQ(outcome.err.substr(0, mistake.message.size()), mistake.message);
        EXPECT_EQ(outcome.out, "") << mistake.arguments;
    }
}

TEST(CommandLine, ListsWhatExists) {
    for (const auto& [kind, name] :
         std::vector<std::pair<std::string, std::string>>{{"models", "gpt3-175b"},
                                                          {"clusters", "dgx-a100"},
                                                          {"schedules", "1f1b"},
                                                          {"strategies", "zero-1"}}) {
        const Outcome outcome = orrery_command("list " + kind);
        EXPECT_EQ(outcome.status, 0) << kind;
        EXPECT_NE(("\n" + outcome.out).find("\n" + name + " "), std::string::npos) << kind;
        EXPECT_EQ(outcome.err, "") << kind;
    }
}

TEST(CommandLine, PrintsOneJsonObject) {
    const Outcome outcome = orrery_command("list models --json");
    EXPECT_EQ(outcome.status, 0);
    EXPECT_TRUE(nlohmann::json::parse(outcome.out)["models"].is_array());
}

TEST(CommandLine, TellsWhenItsOutputIsLost) {
    EXPECT_EQ(orrery_command("list models --json > /dev/full").status, 1);
}

}  // namespace
}  // namespace orrery
