#include "study/moe_table.hpp"

#include <fmt/format.h>

#include "core/csv.hpp"
#include "core/data_path.hpp"
#include "study/experiment.hpp"

namespace orrery::study {
namespace {

constexpr double kMostExperts = 1e5;

using parallel::Dispatcher;
using parallel::Gating;
using parallel::Overflow;

const std::vector<std::pair<std::string, Gating>> kGatings = {{"balanced", Gating::balanced},
                                                              {"random", Gating::random},
                                                              {"zipf", Gating::zipf},
                                                              {"measured", Gating::measured}};

std::vector<schema::Field<MoeChoice>> gating_fields() {
    using Field = schema::Field<MoeChoice>;
    using M = MoeChoice;
    return {Field::choice(
                "routing", [](M & m) -> auto& { return m.plan.gating; }, kGatings)
                .describe("How popular experts are: all alike and exactly even, all alike by chance, by "
                          "Zipf's law, or as measured."),
            Field::number(
                "skew", [](M & m) -> auto& { return m.plan.skew; })
                .at_least(0)
                .at_most(100)
                .describe("zipf: the i-th most popular expert is chosen in proportion to i^-skew."),
            Field::text("histogram", &M::histogram)
                .describe("measured: path of a table with a column `tokens`, one row an expert."),
            Field::number(
                "correlation", [](M & m) -> auto& { return m.plan.correlation; })
                .at_least(0)
                .at_most(1)
                .describe("zipf, measured: share of each rank's tokens that follow a ranking of its own."),
            Field::number(
                "drift", [](M & m) -> auto& { return m.plan.drift; })
                .at_least(0)
                .at_most(1)
                .describe("zipf, measured: share of the experts that change place in the ranking each "
                          "iteration."),
            Field::integer(
                "iteration", [](M & m) -> auto& { return m.plan.iteration; })
                .at_least(0)
                .at_most(1e6)
                .describe("The training step that is simulated."),
            Field::integer(
                "seed", [](M & m) -> auto& { return m.plan.seed; })
                .at_least(0)
                .describe("Of all that is drawn."),
            Field::integer(
                "draws", [](M & m) -> auto& { return m.plan.draws; })
                .at_least(1)
                .at_most(1024)
                .describe("Independent gatings that layers and micro-batches take in turn.")};
}

std::vector<schema::Field<MoeChoice>> placement_fields() {
    using Field = schema::Field<MoeChoice>;
    using M = MoeChoice;
    return {
        Field::number(
            "capacity_factor", [](M & m) -> auto& { return m.plan.capacity_factor; })
            .at_least(0)
            .at_most(1e6)
            .otherwise("the model's")
            .describe("Copies an expert takes from a sender at most, in equal shares; 0: all."),
        Field::choice("overflow", [](M & m) -> auto& { return m.plan.overflow; },
                      {{"drop", Overflow::drop}, {"pad", Overflow::pad}})
            .describe("Copies beyond the capacity are dropped; pad: and missing ones are filled."),
        Field::choice("dispatcher", [](M & m) -> auto& { return m.plan.dispatcher; },
                      {{"all-to-all", Dispatcher::all_to_all}, {"hierarchical", Dispatcher::hierarchical}})
            .describe("Each copy goes straight to its rank, or once to its node and on from there "
                      "(DeepEP)."),
        Field::integer(
            "replicas", [](M & m) -> auto& { return m.plan.replicas; })
            .at_least(0)
            .at_most(kMostExperts)
            .describe("Further copies of experts, of the most popular first."),
        Field::list(
            "placement", [](M & m) -> auto& { return m.plan.placement; })
            .otherwise("in order, then the replicas")
            .describe("Which expert lies in each slot; ranks have equally many slots, in order.")};
}

schema::Table<MoeChoice> make_moe_table() {
    std::vector<schema::Field<MoeChoice>> fields = gating_fields();
    for (auto& field : placement_fields()) fields.push_back(std::move(field));
    return {"moe", "How tokens reach experts.", std::move(fields), "routing"};
}

}  // namespace

const schema::Table<MoeChoice>& moe_table() {
    static const schema::Table<MoeChoice> table = make_moe_table();
    return table;
}

parallel::ExpertPlan expert_plan_of(const Experiment& experiment, const MoeChoice& choice) {
    parallel::ExpertPlan plan = choice.plan;
    if (choice.histogram.empty()) return plan;
    const std::string key = "moe.histogram";
    // A table is no name in a folder: "./" makes a bare file name a path.
    const bool is_path = choice.histogram.find('/') != std::string::npos;
    const csv::Table table = csv::read(data_file("configs", (is_path ? "" : "./") + choice.histogram,
                                                 "histogram", experiment.where(key), key));
    if (!table.column("tokens")) {
        throw InputError({table.file, 1, 0}, "tokens", "is missing; expected a column of tokens by expert");
    }
    for (const csv::Row& row : table.rows) {
        const double tokens = table.number(row, "tokens").value_or(0);
        if (tokens < 0) throw InputError(table.where(row), "tokens", "expected a number >= 0");
        plan.histogram.push_back(tokens);
    }
    return plan;
}

std::string describe(const parallel::ExpertPlan& plan, double model_capacity) {
    std::string text;
    for (const auto& [name, gating] : kGatings) {
        if (gating == plan.gating) text = name;
    }
    if (plan.gating == Gating::zipf) text += fmt::format(" with skew {:g}", plan.skew);
    const double capacity = plan.capacity_factor.value_or(model_capacity);
    if (capacity > 0) {
        text += fmt::format(", capacity {:g} ({})", capacity,
                            plan.overflow == Overflow::pad ? "padded" : "dropped beyond");
    }
    if (plan.replicas > 0) text += fmt::format(", {} replicas", plan.replicas);
    return text;
}

}  // namespace orrery::study
