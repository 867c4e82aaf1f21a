#include "core/atomic_file.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "core/error.hpp"

namespace orrery {
namespace {

namespace fs = std::filesystem;

class AtomicFile : public testing::Test {
  protected:
    void SetUp() override {
        folder = fs::temp_directory_path() / ("orrery_atomic_" + std::to_string(::getpid()));
        fs::create_directories(folder);
    }
    void TearDown() override { fs::remove_all(folder); }

    [[nodiscard]] std::size_t files() const {
        return static_cast<std::size_t>(
            std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
    }

    fs::path folder;
};

TEST_F(AtomicFile, WritesWholeAndReplaces) {
    write_file_atomically(folder / "sub" / "a.txt", "one");
    write_file_atomically(folder / "sub" / "a.txt", "two");
    EXPECT_EQ(read_file(folder / "sub" / "a.txt", 10), "two");
}

TEST_F(AtomicFile, LeavesNothingOnFailure) {
    fs::create_directories(folder / "taken");
    EXPECT_THROW(write_file_atomically(folder / "taken", "x"), InputError);
    EXPECT_EQ(files(), 1U);
}

TEST_F(AtomicFile, RefusesLargeFilesAndFolders) {
    write_file_atomically(folder / "a", "12345");
    EXPECT_THROW(read_file(folder / "a", 4), InputError);
    EXPECT_THROW(read_file(folder, 4), InputError);
    EXPECT_THROW(read_file(folder / "none", 4), InputError);
}

TEST_F(AtomicFile, LeavesNoTemporaryWhenInterrupted) {
    for (const int signal_number : {SIGINT, SIGTERM}) {
        for (int round = 0; round < 10; ++round) {
            const pid_t child = ::fork();
            if (child == 0) {
                const std::string block(1 << 20, 'x');
                while (true) write_file_atomically(folder / "a", block);
            }
            ::usleep(5000 + 3000 * static_cast<unsigned>(round));
            ::kill(child, signal_number);
            int status = 0;
            ::waitpid(child, &status, 0);
            ASSERT_TRUE(WIFSIGNALED(status));
            EXPECT_EQ(WTERMSIG(status), signal_number);
            EXPECT_LE(files(), 1U);
        }
    }
    if (fs::exists(folder / "a")) {
        EXPECT_EQ(fs::file_size(folder / "a"), 1U << 20);
    }
}

}  // namespace
}  // namespace orrery
