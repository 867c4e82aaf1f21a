#include "study/sweep/sweep.hpp"

#include <tbb/enumerable_thread_specific.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "study/sweep/best_first.hpp"
#include "study/sweep/front.hpp"
#include "study/sweep/point_runner.hpp"
#include "study/sweep/team.hpp"

namespace orrery::study {
namespace {

constexpr std::size_t kWave = 65536;  ///< points listed at once
constexpr std::size_t kChunk = 16;    ///< points to a transaction

using Runners = tbb::enumerable_thread_specific<PointRunner>;

}  // namespace

bool can_prune(const Study& study) {
    if (study.objectives.size() != 1) return false;
    const Objective& objective = study.objectives.front();
    if (objective.minimize) return objective.of.text == "step_time_s";
    return objective.of.text == "tokens_per_s" || objective.of.text == "tokens_per_s_per_gpu";
}

PointRow run_point(const Study& study, std::uint64_t point) {
    return PointRunner(study).run(point);
}

void sweep(const Study& study, Store& store, const SweepOptions& options) {
    sweep(study, store, options, *make_team(options.jobs));
}

void sweep(const Study& study, Store& store, const SweepOptions& options, Team& team) {
    if (options.prune_to > 0 && can_prune(study)) return sweep_best_first(study, store, options, team);
    const std::uint64_t size = study.space.size();
    const std::vector<bool> done = done_by_all(store, size, team);
    Runners runners([&study] { return PointRunner(study); });
    std::mutex mutex;
    for (std::uint64_t first = 0; first < size; first += kWave) {
        std::vector<std::uint64_t> points;
        const std::uint64_t end = std::min<std::uint64_t>(size, first + kWave);
        for (std::uint64_t id = first; id < end; ++id) {
            if (!done[id]) points.push_back(id);
        }
        const auto chunk = [&](std::size_t at) {
            std::vector<PointRow> rows;
            for (std::size_t i = at * kChunk; i < std::min(points.size(), (at + 1) * kChunk); ++i)
                rows.push_back(runners.local().run(points[i]));
            const std::scoped_lock lock(mutex);
            store.add(rows);
            return std::to_string(rows.size());
        };
        team.map((points.size() + kChunk - 1) / kChunk, chunk, [&](const std::string& rows) {
            if (options.advance) options.advance(std::stoull(rows));
        });
    }
}

std::vector<bool> done_by_all(Store& store, std::uint64_t points, Team& team) {
    const std::string bits = team.decide([&] {
        std::string text;
        for (const bool done : store.done(points)) text += done ? '1' : '0';
        return text;
    });
    std::vector<bool> done;
    for (const char bit : bits) done.push_back(bit == '1');
    return done;
}

std::vector<Ranked> rank(const Study& study, Store& store) {
    std::vector<Expression> expressions;
    for (const Objective& objective : study.objectives) expressions.push_back(objective.of);
    std::vector<Ranked> ranked;
    std::vector<std::vector<double>> badnesses;
    for (const Store::Found& found : store.find(PointStatus::ok, expressions)) {
        std::vector<double> bad;
        for (std::size_t i = 0; i < expressions.size(); ++i) {
            bad.push_back(badness(study.objectives[i], found.values[i]));
        }
        Ranked one{found.id, bad};
        for (std::size_t i = 0; i < bad.size(); ++i) {
            if (!study.objectives[i].minimize) one.values[i] = -bad[i];
        }
        ranked.push_back(std::move(one));
        badnesses.push_back(std::move(bad));
    }
    std::vector<std::size_t> order;
    if (study.objectives.size() > 1) {
        order = pareto_front(badnesses);
    } else {
        for (std::size_t i = 0; i < ranked.size(); ++i) {
            if (!std::isnan(badnesses[i].front())) order.push_back(i);
        }
        std::stable_sort(order.begin(), order.end(),
                         [&](auto a, auto b) { return badnesses[a].front() < badnesses[b].front(); });
    }
    std::vector<Ranked> best;
    for (const std::size_t i : order) best.push_back(std::move(ranked[i]));
    return best;
}

}  // namespace orrery::study
