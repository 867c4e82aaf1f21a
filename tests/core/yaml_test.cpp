#include "core/yaml.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>

namespace orrery {
namespace {

std::string error_of(const std::string& text, const yaml::Limits& limits = {}) {
    try {
        yaml::parse(text, "f.yaml", limits);
    } catch (const InputError& error) {
        return error.what();
    }
    return "no error";
}

std::string repeated(const std::string& piece, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += piece;
    return text;
}

TEST(Yaml, KnowsWhereEachNodeStands) {
    const yaml::Node root = yaml::parse("a: 1\nb:\n  - x\n  - {c: 'd'}\n", "f.yaml");
    ASSERT_EQ(root.children.size(), 2U);
    EXPECT_EQ(to_string(root.find("a")->where()), "f.yaml:1:4");
    EXPECT_EQ(to_string(root.find("b")->key_where()), "f.yaml:2:1");
    const yaml::Node& map = root.find("b")->children[1];
    EXPECT_EQ(to_string(map.find("c")->where()), "f.yaml:4:9");
    EXPECT_TRUE(map.find("c")->quoted);
    EXPECT_EQ(root.find("z"), nullptr);
}

TEST(Yaml, ExpandsAliases) {
    const yaml::Node root = yaml::parse("a: &x {k: [1, 2]}\nb: *x\n", "f.yaml");
    EXPECT_EQ(root.find("b")->find("k")->children[1].text, "2");
}

TEST(Yaml, ReadsAnEmptyDocumentAsNull) {
    EXPECT_EQ(yaml::parse("", "f").kind, yaml::Kind::null);
}

/// Whatever is kept of earlier reads, a read gives what the file holds: rewritten at once, with the old time
/// of change, replaced by another of the same size.
TEST(Yaml, ReadsWhatTheFileHoldsNow) {
    namespace fs = std::filesystem;
    const fs::path path = fs::path(testing::TempDir()) / "read_again.yaml";
    const auto write = [](const fs::path& to, int value) { std::ofstream(to) << "a: " << value << "\n"; };
    const auto value = [&] { return yaml::read(path).find("a")->text; };
    for (int i = 100; i < 150; ++i) {
        write(path, i);
        EXPECT_EQ(value(), std::to_string(i));
        EXPECT_EQ(value(), std::to_string(i));
    }
    const auto long_ago = fs::file_time_type::clock::now() - std::chrono::hours(1);
    for (int i = 200; i < 250; ++i) {
        if (i % 2 == 0) {
            write(path, i);
        } else {
            const fs::path other = path.string() + ".other";
            write(other, i);
            fs::rename(other, path);
        }
        fs::last_write_time(path, long_ago);
        EXPECT_EQ(value(), std::to_string(i));
        EXPECT_EQ(value(), std::to_string(i));
    }
    fs::remove(path);
    EXPECT_THROW(value(), InputError);
}

TEST(Yaml, RefusesWhatItCannotTrust) {
    EXPECT_EQ(error_of("a: 1\nb: 2\na: 3"), "f.yaml:3:1: a: this key stands twice in the same map");
    EXPECT_EQ(error_of("[a]: 1"), "f.yaml:1:1: expected a text as the key");
    EXPECT_EQ(error_of("a: 1\n---\nb: 2"),
              "f.yaml:2:1: a second document starts here; expected one document per file");
    EXPECT_EQ(error_of("a: !danger 1"), "f.yaml:1:4: unknown tag; expected no tag");
    EXPECT_EQ(error_of("a: b\xff"), "f.yaml:1:5: this byte is not UTF-8; expected UTF-8 text");
    EXPECT_EQ(error_of(std::string("a: b\n\0", 6)),
              "f.yaml:2:1: control character 0x00; expected UTF-8 text");
    EXPECT_EQ(error_of("a: \"\\x00\""), "f.yaml:1:4: the text holds an escaped control character");
    EXPECT_EQ(error_of("a: &x [*x]"), "f.yaml:1:8: this alias stands inside the node it names");
    EXPECT_EQ(error_of("a: *y").substr(0, 21), "f.yaml:1:4: not YAML:");
    EXPECT_EQ(error_of("a: [1, 2").substr(0, 7), "f.yaml:");
    EXPECT_EQ(error_of("a: b: c").substr(0, 21), "f.yaml:1:5: not YAML:");
}

TEST(Yaml, StopsAtItsLimits) {
    const std::string deep = "collections nest deeper than 64 levels";
    EXPECT_NE(error_of(repeated("[", 100000)).find(deep), std::string::npos);
    EXPECT_NE(error_of(repeated("{a: ", 100000)).find(deep), std::string::npos);
    EXPECT_NE(error_of(repeated("- ", 100000)).find(deep), std::string::npos);
    EXPECT_NE(error_of(repeated("? ", 100000)).find(deep), std::string::npos);
    EXPECT_NE(error_of(std::string(5 << 20, 'a')).find("limit of 4194304 bytes"), std::string::npos);
    EXPECT_NE(error_of("[1, 2, 3]", {.nodes = 3}).find("more than 3 nodes"), std::string::npos);
    std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 20; ++i) {
        const std::string last = "*a" + std::to_string(i - 1);
        bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + repeated(last + ", ", 9) +
                last + "]\n";
    }
    EXPECT_NE(error_of(bomb).find("more than 1000000 nodes"), std::string::npos);
}

}  // namespace
}  // namespace orrery
