// The examples of README.md and docs/*.md are run as they stand there, in a folder that looks like the source
// tree (build/release/orrery is the binary under test).
//   ```console   a line "$ command" and below it what it prints; "..." stands for any text, also over lines
//   ```sh        commands that end with status 0, each on a line (a trailing backslash goes on)
// Commands other than orrery's own (scripts, git, cmake, sudo) are not run.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace orrery {
namespace {

namespace fs = std::filesystem;

struct Example {
    std::string page;
    int line = 0;
    std::string command;
    std::string prints;  ///< expected, where the block shows output
    bool shown = false;  ///< whether the block is one that shows output
};

bool is_orrery(const std::string& command) {
    const std::string program = command.substr(0, command.find(' '));
    return program == "orrery" || program == "build/release/orrery" || program == "./build/release/orrery";
}

/// The examples of one page, in order.
std::vector<Example> examples_of(const fs::path& path) {
    std::vector<Example> examples;
    std::ifstream file(path);
    std::string line, fence;
    bool open = false;  // a command line that goes on
    for (int number = 1; std::getline(file, line); ++number) {
        if (line.starts_with("```")) {
            fence = fence.empty() ? line.substr(3) : "";
            open = false;
            continue;
        }
        const bool console = fence == "console";
        if (!console && fence != "sh" && fence != "bash") continue;
        const bool prompt = console && line.starts_with("$ ");
        if (open) {
            examples.back().command += line;
        } else if (prompt || (!console && !line.empty() && !line.starts_with("#"))) {
            examples.push_back({path.string(), number, prompt ? line.substr(2) : line, "", console});
        } else if (console && !examples.empty()) {
            examples.back().prints += line + "\n";
            continue;
        } else {
            continue;
        }
        std::string& command = examples.back().command;
        open = command.ends_with("\\");
        if (open) command.pop_back();
    }
    std::erase_if(examples, [](const Example& example) { return !is_orrery(example.command); });
    return examples;
}

/// Whether the text is the pattern, in which "..." stands for any text.
bool matches(const std::string& text, const std::string& pattern) {
    const std::size_t gap = pattern.find("...");
    if (gap == std::string::npos) return text == pattern;
    if (!text.starts_with(pattern.substr(0, gap))) return false;
    std::size_t at = gap;
    std::size_t from = gap + 3;
    while (true) {
        const std::size_t next = pattern.find("...", from);
        const std::string piece = pattern.substr(from, next == std::string::npos ? next : next - from);
        if (next == std::string::npos) return text.size() >= at + piece.size() && text.ends_with(piece);
        at = text.find(piece, at);
        if (at == std::string::npos) return false;
        at += piece.size();
        from = next + 3;
    }
}

struct Ran {
    int status = -1;
    std::string printed;
};

/// The command through the shell, in `folder`, with `orrery` on the path. Both outputs together.
Ran run_in(const fs::path& folder, const std::string& command) {
    const std::string line = "cd '" + folder.string() + "' && PATH=\"$PWD/build/release:$PATH\" && { " +
                             command + "\n} 2>&1 < /dev/null";
    Ran ran;
    FILE* pipe = ::popen(line.c_str(), "r");
    if (pipe == nullptr) return ran;
    std::array<char, 4096> block{};
    for (std::size_t n = 0; (n = std::fread(block.data(), 1, block.size(), pipe)) > 0;) {
        ran.printed.append(block.data(), n);
    }
    const int status = ::pclose(pipe);
    ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return ran;
}

/// A folder that looks like the source tree with a release built in it; what examples write stays in it.
class Tree {
  public:
    Tree() : folder(fs::temp_directory_path() / ("orrery_examples_" + std::to_string(::getpid()))) {
        fs::create_directories(folder / "build" / "release");
        fs::create_symlink(ORRERY_BINARY, folder / "build" / "release" / "orrery");
        for (const fs::directory_entry& entry : fs::directory_iterator(ORRERY_SOURCE_DIR)) {
            const std::string name = entry.path().filename().string();
            if (name == "build" || name == "out" || name.starts_with(".")) continue;
            fs::create_symlink(entry.path(), folder / name);
        }
    }
    ~Tree() { fs::remove_all(folder); }
    Tree(const Tree&) = delete;
    Tree& operator=(const Tree&) = delete;

    fs::path folder;
};

TEST(Examples, MatchesWithGaps) {
    EXPECT_TRUE(matches("a 12 b\n", "a ... b\n"));
    EXPECT_TRUE(matches("a 12 b 3\n", "a ... b ...\n"));
    EXPECT_TRUE(matches("x", "x"));
    EXPECT_FALSE(matches("a 12 c\n", "a ... b\n"));
    EXPECT_FALSE(matches("ab", "ab...b"));
    EXPECT_FALSE(matches("x\n", "x"));
}

TEST(Examples, OfEveryPageDoWhatTheySay) {
    const fs::path source = ORRERY_SOURCE_DIR;
    std::vector<fs::path> pages;
    if (fs::exists(source / "README.md")) pages.push_back(source / "README.md");
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(source / "docs")) {
        if (entry.path().extension() == ".md") pages.push_back(entry.path());
    }
    std::sort(pages.begin(), pages.end());
    for (const fs::path& page : pages) {
        const Tree tree;
        const std::vector<Example> examples = examples_of(page);
        EXPECT_GE(examples.size(), page.filename() == "README.md" ? 5U : 0U) << page;
        for (const Example& example : examples) {
            const Ran ran = run_in(tree.folder, example.command);
            const std::string where = example.page + ":" + std::to_string(example.line) + ": " +
                                      example.command + "\n" + ran.printed;
            // A block that shows an error shows it on purpose.
            if (example.shown) {
                EXPECT_TRUE(matches(ran.printed, example.prints)) << where << "expected\n" << example.prints;
            } else {
                EXPECT_EQ(ran.status, 0) << where;
            }
        }
    }
}

}  // namespace
}  // namespace orrery
