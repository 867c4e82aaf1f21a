// `orrery help` and the manual page: all there, within the terminal, and true to the commands.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "command_line.hpp"
#include "scratch_folder.hpp"

namespace orrery {
namespace {

std::vector<std::string> words_at_line_starts(const std::string& text) {
    std::vector<std::string> words;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::string word;
        if (line.starts_with("  ") && std::istringstream(line) >> word) words.push_back(word);
    }
    return words;
}

std::size_t widest(const std::string& text) {
    std::size_t most = 0;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::size_t width = 0;
        for (const char c : line) width += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
        most = std::max(most, width);
    }
    return most;
}

TEST(Help, EveryTopicPrintsAndFitsATerminal) {
    const Outcome list = orrery_command("help");
    ASSERT_EQ(list.status, 0) << list.err;
    const std::vector<std::string> topics = words_at_line_starts(list.out);
    EXPECT_GE(topics.size(), 9U);
    for (const std::string& topic : topics) {
        const Outcome help = orrery_command("help " + topic);
        EXPECT_EQ(help.status, 0) << topic << help.err;
        EXPECT_GT(help.out.size(), 300U) << topic;
        EXPECT_LE(widest(help.out), 80U) << topic;
    }
    EXPECT_NE(orrery_command("help run").out.find("--set"), std::string::npos);
    const Outcome unknown = orrery_command("help schedule_s");
    EXPECT_EQ(unknown.status, 2);
    EXPECT_NE(unknown.err.find("did you mean 'schedules'"), std::string::npos) << unknown.err;
}

/// Whatever a topic shows as a command line names options that exist: `--help` of the command has them.
TEST(Help, NamesOnlyOptionsThatExist) {
    for (const char* topic : {"experiments", "schedules", "engines", "network", "studies", "calibration",
                              "interchange", "files"}) {
        std::istringstream lines(orrery_command(std::string("help ") + topic).out);
        for (std::string line; std::getline(lines, line);) {
            const std::size_t at = line.find("orrery ");
            if (at == std::string::npos || !line.starts_with(" ")) continue;
            std::istringstream words(line.substr(at + 7));
            std::string command;
            words >> command;
            const std::string help = orrery_command(command + " --help").out;
            for (std::string word; words >> word;) {
                if (!word.starts_with("--")) continue;
                EXPECT_NE(help.find(word.substr(0, word.find('='))), std::string::npos) << line;
            }
        }
    }
}

TEST(Help, ListsTheKeysOfTheSchema) {
    const std::string all = orrery_command("help keys").out;
    const auto schema = nlohmann::json::parse(orrery_command("schema experiment").out);
    for (const auto& [key, _] : schema["properties"].items())
        EXPECT_NE(all.find("  " + key + ": "), std::string::npos) << key;
    for (const auto& [key, _] : schema["properties"]["parallel"]["properties"].items())
        EXPECT_NE(all.find("  parallel." + key + ": "), std::string::npos) << key;
    const std::string some = orrery_command("help keys parallel.tp").out;
    EXPECT_NE(some.find("Default: 1."), std::string::npos) << some;
    EXPECT_EQ(some.find("parallel.pp"), std::string::npos);
    const Outcome unknown = orrery_command("help keys paralel.tp");
    EXPECT_EQ(unknown.status, 2);
    EXPECT_NE(unknown.err.find("did you mean 'parallel.tp'"), std::string::npos) << unknown.err;
}

TEST(ManualPage, NamesEveryCommandAndOptionAndIsValidRoff) {
    const ScratchFolder folder;
    const std::string page = orrery_command("man").out;
    folder.write("orrery.1", page);
    for (const std::string& command : words_at_line_starts(orrery_command("--help").out)) {
        if (command.starts_with("-")) continue;
        EXPECT_NE(page.find(".SS orrery " + command), std::string::npos) << command;
        std::istringstream words(orrery_command(command + " --help").out);
        for (std::string word; words >> word;) {
            if (!word.starts_with("--")) continue;
            std::string escaped;
            for (const char c : word.substr(0, word.find_first_of(",.:;)=")))
                escaped += c == '-' ? "\\-" : std::string(1, c);
            EXPECT_NE(page.find(escaped), std::string::npos) << command << ' ' << word;
        }
    }
    if (std::system("command -v groff >/dev/null") != 0) GTEST_SKIP() << "no groff here";
    const std::string command = "groff -man -Tutf8 -ww " + folder.path("orrery.1") + " >" +
                                folder.path("text") + " 2>" + folder.path("warnings");
    EXPECT_EQ(std::system(command.c_str()), 0);
    EXPECT_EQ(folder.contents("warnings"), "");
}

}  // namespace
}  // namespace orrery
