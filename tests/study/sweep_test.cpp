#include "study/sweep/sweep.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "core/error.hpp"
#include "random_experiment.hpp"
#include "study/simulate.hpp"
#include "study/sweep/bound.hpp"
#include "study/sweep/expressions.hpp"
#include "study/sweep/query.hpp"
#include "study/sweep/summary.hpp"

namespace orrery::study {
namespace {

constexpr const char* kExperiment =
    "model: {family: gpt, layers: 8, hidden: 1024, heads: 16, vocab: 51200, seq_length: 1024}\n"
    "cluster: {node: dgx-a100, nodes: 2}\n"
    "training: {global_batch: 64, micro_batch: 1}\n"
    "granularity: layer\n";

constexpr const char* kPlans =
    "vary: {plans: {gpus: 16, tp: [1, 2, 32], pp: all}, training.micro_batch: [1, 2]}\n"
    "where: [pp <= 8, step_time_s < 100]\n"
    "define: {gpu_seconds: step_time_s * cluster.gpus}\n"
    "objective: {minimize: step_time_s}\n";

constexpr const char* kManyPlans =
    "vary: {plans: {gpus: 16, tp: [1, 2, 4], pp: all, vpp: [1, 2, 4]}, training.micro_batch: [1, 2],\n"
    "  training.recompute: [none, full], training.global_batch: [32, 64]}\n";

Study plans() {
    return parse_study(std::string(kExperiment) + kPlans, "study.yaml");
}

std::filesystem::path fresh_file(const std::string& name) {
    const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / (name + ".sqlite");
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(file.string() + end);
    return file;
}

std::string table_after(const Study& study, const std::string& name, int jobs, std::size_t prune_to = 0) {
    Store store(fresh_file(name), study, "test");
    sweep(study, store, {jobs, prune_to, {}});
    return store.csv();
}

TEST(Sweep, SimulatesEachPointAsRunDoes) {
    const Study study = plans();
    int simulated = 0;
    for (std::uint64_t id = 0; id < study.space.size(); ++id) {
        const PointRow row = run_point(study, id);
        EXPECT_TRUE(row.status == PointStatus::ok || row.status == PointStatus::illegal ||
                    row.status == PointStatus::excluded)
            << row.reason;
        if (row.status != PointStatus::ok) {
            EXPECT_FALSE(row.reason.empty());
            continue;
        }
        ++simulated;
        std::vector<std::string> overrides;
        for (const Setting* s : study.space.point(id)) overrides.push_back(s->key + "=" + s->value.text);
        const Experiment experiment = parse_experiment(kExperiment, "e.yaml", overrides);
        EXPECT_EQ(std::get<double>(row.figures[0]), step_time(experiment));
        EXPECT_EQ(std::get<double>(row.figures.back()), step_time(experiment) * 16);
    }
    EXPECT_GE(simulated, 8);
}

TEST(Sweep, GivesTheSameTableOnAnyNumberOfThreadsAndAfterAnyInterruption) {
    const Study study = plans();
    const std::string whole = table_after(study, "one", 1);
    EXPECT_EQ(table_after(study, "two", 2), whole);
    // Killed after every number of points: what is stored is whole rows of some points.
    for (std::uint64_t done = 0; done < study.space.size(); done += 5) {
        const auto file = fresh_file("interrupted");
        {
            Store store(file, study, "test");
            std::vector<PointRow> rows;
            for (std::uint64_t id = 0; id < done; ++id)
                rows.push_back(run_point(study, study.space.size() - 1 - id));
            store.add(rows);
        }
        Store store(file, study, "test");
        sweep(study, store, {2, 0, {}});
        EXPECT_EQ(store.csv(), whole) << done;
    }
}

/// The same where the best alone are asked for: which points are simulated depends on nothing but the study.
TEST(Sweep, SearchesTheSamePointsOnAnyNumberOfThreadsAndAfterAnyInterruption) {
    const Study study = parse_study(std::string(kExperiment) + kManyPlans, "study.yaml");
    const auto file = fresh_file("searched");
    std::vector<PointRow> rows;
    std::string whole;
    {
        Store store(file, study, "test");
        sweep(study, store, {1, 2, {}});
        whole = store.csv();
        EXPECT_EQ(table_after(study, "searched_by_two", 2, 2), whole);
        ASSERT_FALSE(store.find(PointStatus::pruned, {}).empty());
    }
    std::mt19937 random(1);
    for (int trial = 0; trial < 10; ++trial) {
        const auto copy = fresh_file("searched_again");
        std::filesystem::copy_file(file, copy);
        Store store(copy, study, "test");
        const std::string chosen = std::to_string(random() % 7);
        for (const char* table : {"metrics WHERE (point * 5) % 7 >= ", "points WHERE (id * 5) % 7 >= "})
            store.database().execute(std::string("DELETE FROM ") + table + chosen);
        sweep(study, store, {2, 2, {}});
        EXPECT_EQ(store.csv(), whole) << trial;
    }
}

TEST(Sweep, RefusesTheResultsOfAnotherStudy) {
    const auto file = fresh_file("other");
    { const Store store(file, plans(), "test"); }
    EXPECT_NO_THROW(Store(file, plans(), "test"));
    EXPECT_THROW(Store(file, plans(), "next version"), InputError);
    const Study other = parse_study(std::string(kExperiment) + "vary: {parallel.tp: [1]}\n", "study.yaml");
    EXPECT_THROW(Store(file, other, "test"), InputError);
}

TEST(Sweep, PruningKeepsTheBest) {
    for (const char* objective : {"minimize: step_time_s", "maximize: tokens_per_s_per_gpu"}) {
        const Study study = parse_study(
            std::string(kExperiment) + kManyPlans + "objective: {" + objective + "}\n", "study.yaml");
        ASSERT_TRUE(can_prune(study));
        Store all(fresh_file("all"), study, "test");
        sweep(study, all, {2, 0, {}});
        Store pruned(fresh_file("pruned"), study, "test");
        sweep(study, pruned, {2, 3, {}});
        const std::vector<Ranked> expected = rank(study, all);
        const std::vector<Ranked> found = rank(study, pruned);
        ASSERT_GE(found.size(), 3U);
        for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(found[i].point, expected[i].point) << objective;
        EXPECT_LT(found.size(), expected.size());
    }
}

TEST(Bound, IsNeverAboveTheStep) {
    const Study study = plans();
    for (std::uint64_t id = 0; id < study.space.size(); ++id) {
        if (run_point(study, id).status != PointStatus::ok) continue;
        std::vector<std::string> overrides;
        for (const Setting* s : study.space.point(id)) overrides.push_back(s->key + "=" + s->value.text);
        const Experiment experiment = parse_experiment(kExperiment, "e.yaml", overrides);
        const double bound = bound_of_plan(experiment).step_s;
        EXPECT_GT(bound, 0);
        EXPECT_LE(bound, step_time(experiment)) << id;
    }
}

TEST(Bound, IsNeverAboveTheStepNorTheMemoryOfRandomExperiments) {
    std::mt19937 random(7);
    for (int trial = 0; trial < 150; ++trial) {
        const Experiment experiment = random_experiment(random);
        const PlanBound bound = bound_of_plan(experiment);
        const report::Result result = summarize(experiment, simulate(experiment));
        EXPECT_GT(bound.step_s, 0) << experiment.description;
        EXPECT_LE(bound.step_s, result.step_time_s * (1 + 1e-12)) << experiment.description;
        EXPECT_LE(bound.static_bytes, result.memory.peak_bytes) << experiment.description;
    }
}

/// Without communication, contention and host it is the step: the pipeline's closed form.
TEST(Bound, IsTheStepOfAPipelineWhoseLayersAreAllThatCosts) {
    for (const char* schedule : {"gpipe", "1f1b"}) {
        Experiment experiment = parse_experiment(
            kExperiment, "e.yaml",
            std::vector<std::string>{"parallel.pp=4", "cluster.nodes=1", "cluster.gpus=4",
                                     "training.global_batch=12", std::string("schedule.name=") + schedule});
        const double step = step_time(experiment);
        const double bound = bound_of_plan(experiment).step_s;
        EXPECT_LE(bound, step);
        EXPECT_GE(bound, 0.85 * step) << schedule;
    }
}

TEST(StudySummary, RanksByTheObjectiveAndQueriesAgree) {
    const Study study = plans();
    const auto file = fresh_file("summary");
    Store store(file, study, "test");
    sweep(study, store, {2, 0, {}});
    const report::StudySummary summary = summarize_study(study, store, 3);
    ASSERT_EQ(summary.best.size(), 3U);
    std::uint64_t counted = 0;
    for (const report::StudyCount& count : summary.counts) counted += count.points;
    EXPECT_EQ(counted, study.space.size());
    const QueryRows rows = query(file, "id", "where status = 'ok' order by step_time_s, id limit 3");
    ASSERT_EQ(rows.rows.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(std::get<std::int64_t>(rows.rows[i][0]), static_cast<std::int64_t>(summary.best_points[i]));
    }
    EXPECT_THROW(query(file, "", "where tpp = 1"), InputError);
    EXPECT_THROW(query(file, "1; DROP TABLE points; --", ""), InputError);
    EXPECT_THROW(query(file.string() + ".none", "", ""), InputError);
}

TEST(Expressions, CanNameEveryColumn) {
    Columns columns = setting_columns();
    columns.insert(columns.end(), metric_columns().begin(), metric_columns().end());
    for (const std::string& column : columns) {
        const ColumnName name = split_column(column);
        const std::string text = name.group.empty() ? name.name : name.group + "." + name.name;
        std::vector<Expression> expressions(1);
        expressions[0].text = text;
        EXPECT_NO_THROW(Expressions(columns, expressions)) << text;
    }
}

TEST(Study, FilesThatComeWithOrreryLoadAndHaveALegalPoint) {
    int studies = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(ORRERY_SOURCE_DIR) + "/configs/studies")) {
        const Study study = load_study(entry.path().string());
        bool legal = false;
        for (std::uint64_t id = 0; id < study.space.size() && !legal; ++id) {
            legal = run_point(study, id).status == PointStatus::ok;
        }
        EXPECT_TRUE(legal) << entry.path();
        ++studies;
    }
    EXPECT_GE(studies, 3);
}

TEST(Study, NamesItsMistakes) {
    const auto error_of = [](const std::string& text) -> std::string {
        try {
            parse_study(std::string(kExperiment) + text, "s.yaml");
        } catch (const InputError& error) {
            return error.what();
        }
        return "no error";
    };
    EXPECT_EQ(error_of("vary: {parallel.tp: [1, 2]}\n"), "no error");
    EXPECT_NE(error_of("vary: {parallel.tpp: [1]}\n").find("did you mean 'tp'"), std::string::npos);
    EXPECT_NE(error_of("vary: {parallel.tp: [one]}\n").find("s.yaml:5:22: parallel.tp"), std::string::npos);
    EXPECT_NE(error_of("where: tpp > 1\n").find("did you mean 'tp'"), std::string::npos);
    EXPECT_NE(error_of("where: pp >\n").find("s.yaml:5:8: where"), std::string::npos);
    EXPECT_NE(error_of("objective: {fastest: step_time_s}\n").find("objective"), std::string::npos);
    EXPECT_NE(error_of("define: {mfu: 1}\n").find("define.mfu"), std::string::npos);
    EXPECT_NE(
        error_of(
            "where: (with recursive t(n) as (select 1 union all select n+1 from t) select sum(n) from t)\n"),
        "");
}

}  // namespace
}  // namespace orrery::study
