// What an experiment's reader says of a mistake, for every key that it knows: the keys are taken from the
// JSON Schema, so that a new key is tested from its first day.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <span>

#include "core/error.hpp"
#include "study/experiment.hpp"

namespace orrery::study {
namespace {

constexpr const char* kExperiment =
    "model: {family: gpt, layers: 8, hidden: 1024, heads: 16, vocab: 51200, seq_length: 1024}\n"
    "cluster: {node: dgx-a100, nodes: 2}\n"
    "training: {global_batch: 64, micro_batch: 1}\n";

void add_keys(const nlohmann::json& schema, const std::string& path, std::set<std::string>& keys) {
    if (schema.contains("properties")) {
        for (const auto& [name, property] : schema.at("properties").items())
            add_keys(property, path.empty() ? name : path + "." + name, keys);
    }
    for (const char* several : {"oneOf", "anyOf"})
        if (schema.contains(several))
            for (const auto& one : schema.at(several)) add_keys(one, path, keys);
    if (!path.empty()) keys.insert(path);
}

std::set<std::string> all_keys() {
    std::set<std::string> keys;
    add_keys(nlohmann::json::parse(experiment_json_schema()), "", keys);
    return keys;
}

std::string last_part(const std::string& key) {
    return key.substr(key.rfind('.') + 1);
}

/// What is said behind "--set ...: ", or nothing where nothing was wrong.
std::string complaint(const std::string& setting) {
    try {
        parse_experiment(kExperiment, "e.yaml", std::span(&setting, 1));
    } catch (const InputError& error) {
        const std::string message = error.what();
        const std::string where = "--set " + setting + ": ";
        return message.starts_with(where) ? message.substr(where.size()) : message;
    }
    return "";
}

bool says_what_to_do(const std::string& message) {
    for (const char* words : {"expected", "allowed", "did you mean", "there is no", "has no", "also works"})
        if (message.find(words) != std::string::npos) return true;
    return false;
}

TEST(ErrorMessages, OfEveryKeyNameTheKeyAndWhatWasExpected) {
    const std::set<std::string> keys = all_keys();
    EXPECT_GT(keys.size(), 200u);
    for (const std::string& key : keys) {
        const std::string message = complaint(key + "=[[]]");
        EXPECT_NE(message.find(last_part(key)), std::string::npos) << key << ": " << message;
        EXPECT_TRUE(says_what_to_do(message)) << key << ": " << message;
    }
}

TEST(ErrorMessages, OfEveryMisspelledKeyNameTheRightOne) {
    for (const std::string& key : all_keys()) {
        const std::string name = last_part(key);
        if (name.size() < 4) continue;
        std::string wrong = key;
        const std::size_t middle = key.size() - name.size() / 2;
        wrong.insert(middle, 1, key[middle]);
        const std::string message = complaint(wrong + "=1");
        EXPECT_NE(message.find("did you mean '" + name + "'"), std::string::npos) << wrong << ": " << message;
    }
}

TEST(ErrorMessages, OfUnknownNamesStandAtTheirKey) {
    for (const std::string key :
         {"model", "cluster.node", "cluster.fabric", "cluster.collectives", "schedule.name", "software",
          "calibration", "engine", "parallel.sharding"}) {
        const std::string message = complaint(key + "=nonsense");
        EXPECT_TRUE(message.starts_with(key)) << key << ": " << message;
        EXPECT_NE(message.find("'nonsense'"), std::string::npos) << key << ": " << message;
    }
}

TEST(ErrorMessages, OfValuesOutOfRangeSaySo) {
    for (const std::string& key : all_keys()) {
        for (const char* value : {"-1", ".nan", "1e300", "nonsense"}) {
            const std::string message = complaint(key + "=" + value);
            EXPECT_TRUE(message.empty() || says_what_to_do(message))
                << key << "=" << value << ": " << message;
        }
    }
}

}  // namespace
}  // namespace orrery::study
