#include "core/data_path.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "core/atomic_file.hpp"

namespace orrery {
namespace {

namespace fs = std::filesystem;

class DataPath : public testing::Test {
  protected:
    void SetUp() override {
        folder = fs::temp_directory_path() / ("orrery_data_" + std::to_string(::getpid()));
        write_file_atomically(folder / "models/zoo/tiny.yaml", "layers: 1\n");
        write_file_atomically(folder / "models/zoo/notes.txt", "");
        ::setenv("ORRERY_DATA", folder.c_str(), 1);
    }
    void TearDown() override {
        ::unsetenv("ORRERY_DATA");
        fs::remove_all(folder);
    }

    fs::path folder;
};

std::string error_of(const std::string& name, const Location& where = {}) {
    try {
        data_file("models/zoo", name, "model", where, "model");
    } catch (const InputError& error) {
        return error.what();
    }
    return "no error";
}

TEST_F(DataPath, ComesFromTheEnvironmentAloneWhenItIsSet) {
    EXPECT_EQ(data_names("models/zoo"), std::vector<std::string>{"tiny"});
    EXPECT_EQ(data_file("models/zoo", "tiny", "model"), folder / "models/zoo/tiny.yaml");
    EXPECT_TRUE(data_names("no/such").empty());
}

TEST_F(DataPath, FallsBackToTheSourceTree) {
    ::unsetenv("ORRERY_DATA");
    EXPECT_TRUE(fs::exists(data_file("models/zoo", "gpt3-175b", "model")));
}

TEST_F(DataPath, LooksForPathsBesideTheFileThatNamesThem) {
    const Location where{(folder / "models/experiment.yaml").string(), 3, 8};
    EXPECT_EQ(data_file("models/zoo", "zoo/tiny.yaml", "model", where), folder / "models" / "zoo/tiny.yaml");
    EXPECT_EQ(error_of("zoo/none.yaml", where),
              where.file + ":3:8: model: there is no model file 'zoo/none.yaml'");
}

TEST_F(DataPath, NamesTheNearest) {
    EXPECT_EQ(error_of("tinny"),
              "model: unknown model 'tinny'; did you mean 'tiny'? (allowed: tiny); a path to a YAML file "
              "also works");
    EXPECT_EQ(error_of("").substr(0, 23), "model: unknown model ''");
}

}  // namespace
}  // namespace orrery
