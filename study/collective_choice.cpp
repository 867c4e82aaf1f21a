#include "study/collective_choice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "sim/cost/collective_cost.hpp"
#include "sim/engine/collective_steps/collective_messages.hpp"
#include "study/shared_inputs.hpp"
#include "study/simulate.hpp"

namespace orrery::study {
namespace {

constexpr std::string_view kKey = "collectives.";

std::vector<std::pair<std::string, std::string>> as_choices(const std::vector<std::string>& names) {
    std::vector<std::pair<std::string, std::string>> choices;
    for (const std::string& name : names) choices.emplace_back(name, name);
    return choices;
}

schema::Table<sim::ForcedCollective> table_of(sim::CollectiveKind kind) {
    using Field = schema::Field<sim::ForcedCollective>;
    return {
        std::string(to_string(kind)),
        "How it is carried out.",
        {Field::choice("algorithm", &sim::ForcedCollective::algorithm, as_choices(sim::algorithms_of(kind)))
             .otherwise("the fastest by the calibration, of those that NCCL has")
             .describe("Who sends what to whom."),
         Field::choice("protocol", &sim::ForcedCollective::protocol, as_choices(sim::protocol_names()))
             .otherwise("the fastest by the calibration")
             .describe("NCCL's wire protocol.")},
        "algorithm"};
}

/// [kind]; a table that holds others keeps no copy of them.
const std::vector<schema::Table<sim::ForcedCollective>>& tables_by_kind() {
    static const std::vector<schema::Table<sim::ForcedCollective>> tables = [] {
        std::vector<schema::Table<sim::ForcedCollective>> all;
        for (const sim::CollectiveKind kind : sim::collective_kinds()) all.push_back(table_of(kind));
        return all;
    }();
    return tables;
}

schema::Table<sim::ForcedCollectives> make_collectives_table() {
    using Field = schema::Field<sim::ForcedCollectives>;
    std::vector<Field> fields;
    for (std::size_t i = 0; i < sim::collective_kinds().size(); ++i) {
        const auto kind = static_cast<std::size_t>(sim::collective_kinds()[i]);
        const auto access = [kind](sim::ForcedCollectives & all) -> auto& {
            return all[kind];
        };
        fields.push_back(Field::table(tables_by_kind()[i].title, access, tables_by_kind()[i])
                             .describe("An algorithm's name, or a map."));
    }
    return {"collectives", "Algorithm and protocol of each kind of collective.", std::move(fields)};
}

/// [work] algorithm and protocol; engine simgrid has its own plain ones.
sim::CollectiveCost chosen_for(const Experiment& experiment, const Simulation& s, std::size_t work) {
    sim::CollectiveCost cost = s.prices.chosen[work];
    if (experiment.engine != EngineKind::simgrid || cost.algorithm.empty()) return cost;
    const auto& collective = std::get<sim::Collective>(s.lowered.program.works[work]);
    cost.algorithm = sim::simgrid_algorithm(collective.kind, experiment.collectives);
    cost.protocol = sim::forced_for(experiment.collectives, collective.kind).protocol;
    return cost;
}

}  // namespace

const schema::Table<sim::ForcedCollectives>& collectives_table() {
    static const schema::Table<sim::ForcedCollectives> table = make_collectives_table();
    return table;
}

std::shared_ptr<const sim::CollectiveCalibration> collectives_of(const Experiment& experiment,
                                                                 std::size_t kind) {
    auto shared = shared_collectives(experiment.cluster.kind(kind).collectives);
    const bool forced = std::ranges::any_of(experiment.collectives, [](const sim::ForcedCollective& one) {
        return !one.algorithm.empty() || !one.protocol.empty();
    });
    if (!forced) return shared;
    auto own = std::make_shared<sim::CollectiveCalibration>(*shared);
    own->forced = experiment.collectives;
    return own;
}

InputError at_forced_key(const Experiment& experiment, const InputError& error) {
    const bool placed = !error.where.file.empty() || error.where.line > 0;
    if (placed || !error.key.starts_with(kKey)) return error;
    return {experiment.where(error.key), error.key, error.message};
}

std::string describe(const sim::ForcedCollectives& forced) {
    std::vector<std::string> parts;
    for (const sim::CollectiveKind kind : sim::collective_kinds()) {
        const sim::ForcedCollective& one = forced_for(forced, kind);
        if (one.algorithm.empty() && one.protocol.empty()) continue;
        const bool both = !one.algorithm.empty() && !one.protocol.empty();
        parts.push_back(
            fmt::format("{} by {}{}{}", to_string(kind), one.algorithm, both ? " " : "", one.protocol));
    }
    return fmt::format("{}", fmt::join(parts, ", "));
}

std::vector<report::CollectiveUse> collective_uses(const Experiment& experiment, const Simulation& s) {
    const sim::Program& program = s.lowered.program;
    std::vector<double> tasks(program.works.size(), 0);  // over all ranks, those folded away too
    for (const sim::Rank& rank : program.ranks)
        for (const sim::WorkId work : program.rank_programs[rank.program].work)
            tasks[work()] += rank.multiplicity;

    std::map<std::tuple<sim::CollectiveKind, std::string, std::string>, report::CollectiveUse> uses;
    for (std::size_t work = 0; work < program.works.size(); ++work) {
        const auto* collective = std::get_if<sim::Collective>(&program.works[work]);
        if (collective == nullptr || tasks[work] == 0) continue;
        const sim::CollectiveCost cost = chosen_for(experiment, s, work);
        if (cost.algorithm.empty()) continue;  // of one rank
        const auto members = static_cast<double>(program.groups[collective->group].devices.size());
        report::CollectiveUse& use = uses[{collective->kind, cost.algorithm, cost.protocol}];
        use.kind = to_string(collective->kind);
        use.algorithm = cost.algorithm;
        use.protocol = cost.protocol;
        const sim::ForcedCollective& forced = forced_for(experiment.collectives, collective->kind);
        use.forced = !forced.algorithm.empty() || !forced.protocol.empty();
        use.operations += tasks[work] / members;
        use.buffer_bytes += tasks[work] / members * collective->bytes;
    }
    std::vector<report::CollectiveUse> list;
    for (auto& [key, use] : uses) list.push_back(std::move(use));
    return list;
}

}  // namespace orrery::study
