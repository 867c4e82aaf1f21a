// tests/docs/catalogue_test.cpp
//
// docs/catalogue/pipeline.md is made from docs/catalogue/pipeline.yaml: every figure of Orrery's in it is
// what the command beside it says. With ORRERY_WRITE_CATALOGUE=1 in the environment the page is written
// instead.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/atomic_file.hpp"
#include "core/yaml.hpp"

namespace orrery {
namespace {

using Json = nlohmann::json;

const std::string kSource = ORRERY_SOURCE_DIR;
const std::string kPage = kSource + "/docs/catalogue/pipeline.md";

constexpr const char* kHead = R"(# Pipeline systems

One line for each published pipeline system: what it claims, and what Orrery says of the same comparison. Each figure is
what the command in its line gives; a test runs them all again. Nothing is tuned: where the figures differ, the note says
what the comparison leaves out. "faster" is the step time of the system it is compared with over its own; "memory" its
peak memory over the other's. A claim that begins with "up to" is the best of many settings, of which one is simulated.
Hardware that is not calibrated (V100, P100) is priced by the A100's fractions of its own data sheet's peaks.

| system | mechanism | published | source | Orrery | of | against | command | note |
| --- | --- | --- | --- | ---: | --- | --- | --- | --- |
)";

Json run(const std::string& arguments) {
    static std::map<std::string, Json> done;
    if (const auto known = done.find(arguments); known != done.end()) return known->second;
    const std::string command =
        "cd '" + kSource + "' && '" ORRERY_BINARY "' " + arguments + " --json 2>/dev/null";
    struct Close {
        void operator()(FILE* pipe) const { pclose(pipe); }
    };
    std::unique_ptr<FILE, Close> pipe(popen(command.c_str(), "r"));
    std::string text;
    std::array<char, 65536> buffer{};
    while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe.get()))
        text.append(buffer.data(), count);
    return done[arguments] = Json::parse(text, nullptr, false);
}

std::string get(const yaml::Node& row, const char* key) {
    const yaml::Node* const node = row.find(key);
    return node == nullptr ? "" : node->text;
}

struct Measured {
    double time = 0;
    double memory = 0;
    std::string refused;
};

Measured of_comparison(const Json& all, const std::string& name) {
    for (const Json& result : all.value("results", Json::array()))
        if (result["experiment"] == name)
            return {result["step_time_s"].get<double>(), result["memory"]["peak_bytes"].get<double>(), ""};
    if (all.contains("refused") && all["refused"].contains(name)) return {0, 0, all["refused"][name]};
    return {0, 0, "no experiment is named " + name};
}

Measured of_schedule(const std::string& arguments) {
    const Json result = run("schedule " + arguments);
    if (!result.is_object()) return {0, 0, "it failed"};
    const auto peaks = result["peak_activation"].get<std::vector<double>>();
    return {result["makespan"].get<double>(), *std::max_element(peaks.begin(), peaks.end()), ""};
}

struct Row {
    Measured own, other;
    std::string command;
};

Row measure(const yaml::Node& row) {
    if (const std::string schedule = get(row, "schedule"); !schedule.empty())
        return {of_schedule(schedule), of_schedule(get(row, "against")), "orrery schedule " + schedule};
    const std::string config = "configs/papers/pipeline/" + get(row, "compare") + ".yaml";
    const Json all = run("compare " + config);
    return {of_comparison(all, get(row, "of")), of_comparison(all, get(row, "against")),
            "orrery compare " + config};
}

/// The figure; nothing where one of the two cannot be simulated.
std::optional<double> figure_of(const yaml::Node& row, const Row& measured) {
    for (const Measured* side : {&measured.own, &measured.other})
        if (!side->refused.empty()) return std::nullopt;
    if (get(row, "figure") == "memory") return measured.own.memory / measured.other.memory;
    return measured.other.time / measured.own.time;
}

std::string figure_text(const yaml::Node& row, std::optional<double> figure) {
    if (!figure) return "not simulated yet";
    return get(row, "figure") == "memory" ? fmt::format("{:.2f} of the memory", *figure)
                                          : fmt::format("{:.2f}x", *figure);
}

std::string line_of(const yaml::Node& row) {
    const Row measured = measure(row);
    const bool bare = row.find("schedule") != nullptr;
    const std::string own =
        bare ? get(row, "schedule").substr(0, get(row, "schedule").find(' ')) : get(row, "of");
    const std::string against = get(row, "against");
    return fmt::format("| {} | {} | {} | {} | {} | {} | {} | `{}` | {} |\n", get(row, "system"),
                       get(row, "mechanism"), get(row, "published"), get(row, "source"),
                       figure_text(row, figure_of(row, measured)), own, bare ? "`" + against + "`" : against,
                       measured.command, get(row, "note"));
}

/// The cell with Orrery's figure in the page's line of that system; empty: there is no line.
std::string written_figure(const std::string& page, const std::string& system) {
    const std::size_t line = page.find("| " + system + " |");
    if (line == std::string::npos) return "";
    std::size_t at = line;
    for (int cell = 0; cell < 4; ++cell) at = page.find('|', at + 1);
    return page.substr(at + 2, page.find('|', at + 1) - at - 3);
}

TEST(Catalogue, PipelinePageSaysWhatItsCommandsGive) {
    const yaml::Node file = yaml::read(kSource + "/docs/catalogue/pipeline.yaml");
    const yaml::Node* const systems = file.find("systems");
    ASSERT_NE(systems, nullptr);
    if (std::getenv("ORRERY_WRITE_CATALOGUE") != nullptr) {
        std::string page = kHead;
        for (const yaml::Node& row : systems->children) page += line_of(row);
        write_file_atomically(kPage, page);
    }
    const std::string page = read_file(kPage, std::size_t{1} << 20);
    int compared = 0;
    for (const yaml::Node& row : systems->children) {
        const std::string written = written_figure(page, get(row, "system"));
        EXPECT_FALSE(written.empty()) << get(row, "system") << " is not on the page";
        if (row.find("slow") != nullptr || written.starts_with("not simulated")) continue;
        const auto figure = figure_of(row, measure(row));
        ASSERT_TRUE(figure) << get(row, "system");
        EXPECT_NEAR(std::stod(written), *figure, 0.05) << get(row, "system");
        ++compared;
    }
    EXPECT_GT(compared, 10);
}

}  // namespace
}  // namespace orrery
