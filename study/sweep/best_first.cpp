#include "study/sweep/best_first.hpp"

#include <tbb/enumerable_thread_specific.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "study/sweep/point_runner.hpp"

namespace orrery::study {
namespace {

constexpr std::size_t kWave = 64;    ///< points simulated between two looks at the best
constexpr std::size_t kChunk = 256;  ///< points examined or pruned to a transaction
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The smallest `most` of the numbers given so far.
class Best {
  public:
    explicit Best(std::size_t most) : most_(most) {}

    void add(double x) {
        if (x >= worst()) return;
        kept_.insert(std::upper_bound(kept_.begin(), kept_.end(), x), x);
        if (kept_.size() > most_) kept_.pop_back();
    }

    /// What a further number must be below to be kept.
    [[nodiscard]] double worst() const { return kept_.size() == most_ ? kept_.back() : kInfinity; }

  private:
    std::size_t most_;
    std::vector<double> kept_;  ///< sorted
};

class Search {
  public:
    Search(const Study& s, Store& t, const SweepOptions& o, Team& all)
        : study(s), store(t), options(o), team(all), done(done_by_all(t, s.space.size(), all)), runners([&s] {
              return PointRunner(s);
          }) {}

    void run() {
        find_found();
        for (std::uint64_t first = 0; first < done.size(); first += kExamined) examine_from(first);
        std::sort(open.begin(), open.end());
        Best best(options.prune_to);
        std::size_t at = 0;
        for (; at < open.size() && open[at].first <= best.worst(); at += kWave) simulate_wave(at, best);
        prune_from(std::min(at, open.size()));
    }

  private:
    static constexpr std::uint64_t kExamined = 1 << 20;  ///< points examined at once: bounds the memory

    /// What the first process's store knows from before, to all.
    void find_found() {
        const Objective& objective = study.objectives.front();
        Packet known(team.decide([&] {
            Packet packet;
            for (const Store::Found& one : store.find(PointStatus::illegal, {})) {
                packet.put(one.id);
                packet.put(std::numeric_limits<double>::quiet_NaN());
            }
            for (const Store::Found& one : store.find(PointStatus::ok, {objective.of})) {
                const double x = badness(objective, one.values.front());
                packet.put(one.id);
                packet.put(std::isnan(x) ? kInfinity : x);
            }
            return packet.bytes();
        }));
        illegal.assign(done.size(), false);
        while (!known.empty()) {
            const auto id = known.take<std::uint64_t>();
            const auto x = known.take<double>();
            if (std::isnan(x)) {
                illegal[id] = true;
            } else {
                found[id] = x;
            }
        }
    }

    /// Stores the rows of points that need no simulation, and lists the others with their bounds.
    void examine_from(std::uint64_t first) {
        const std::uint64_t count = std::min<std::uint64_t>(done.size() - first, kExamined);
        const auto examine = [&](std::size_t begin, std::size_t end, PointRunner& runner, Packet& bounds) {
            std::vector<PointRow> rows;
            for (std::uint64_t id = first + begin; id < first + end; ++id) {
                if (illegal[id]) continue;
                PointRunner::Examined examined = runner.examine(id);
                if (!examined.row) {
                    bounds.put(examined.bound);
                    bounds.put(id);
                } else if (!done[id]) {
                    rows.push_back(*std::move(examined.row));
                }
            }
            return rows;
        };
        for (Packet& bounds : in_chunks(count, examine)) {
            while (!bounds.empty()) {
                const auto bound = bounds.take<double>();
                open.emplace_back(bound, bounds.take<std::uint64_t>());
            }
        }
    }

    /// Points alike in their bounds keep the order of their ids; all see the best of the waves before.
    void simulate_wave(std::size_t at, Best& best) {
        const double worst = best.worst();
        const auto simulate = [&](std::size_t i) {
            const auto [bound, id] = open[at + i];
            Packet packet;
            if (done[id]) {
                const auto known = found.find(id);
                packet.put(std::uint64_t{0});
                packet.put(known == found.end() ? kInfinity : known->second);
                return packet.bytes();
            }
            PointRunner& runner = runners.local();
            const PointRow row = bound > worst ? runner.pruned(id) : runner.run(id);
            add({&row, 1});
            packet.put(std::uint64_t{1});
            packet.put(runner.badness_of(row));
            return packet.bytes();
        };
        for (const std::string& text : team.map(std::min(kWave, open.size() - at), simulate, advance())) {
            Packet packet(text);
            packet.take<std::uint64_t>();
            best.add(packet.take<double>());
        }
    }

    void prune_from(std::size_t at) {
        in_chunks(open.size() - at, [&](std::size_t begin, std::size_t end, PointRunner& runner, Packet&) {
            std::vector<PointRow> rows;
            for (std::size_t i = at + begin; i < at + end; ++i)
                if (!done[open[i].second]) rows.push_back(runner.pruned(open[i].second));
            return rows;
        });
    }

    void add(std::span<const PointRow> rows) {
        const std::scoped_lock lock(mutex);
        if (!rows.empty()) store.add(rows);
    }

    /// A task's text begins with how many points it is done with.
    [[nodiscard]] Team::Finished advance() const {
        return [this](const std::string& text) {
            if (options.advance) options.advance(Packet(text).take<std::uint64_t>());
        };
    }

    /// Runs what(begin, end, runner, packet) over [0, count) and stores the rows it returns. Returns what it
    /// put into the packets, by chunk.
    template <class Do>
    std::vector<Packet> in_chunks(std::size_t count, Do what) {
        const auto task = [&](std::size_t chunk) {
            Packet found_here;
            const std::vector<PointRow> rows =
                what(chunk * kChunk, std::min(count, (chunk + 1) * kChunk), runners.local(), found_here);
            add(rows);
            Packet packet;
            packet.put(std::uint64_t{rows.size()});
            return packet.bytes() + found_here.bytes();
        };
        std::vector<Packet> packets;
        for (std::string& text : team.map((count + kChunk - 1) / kChunk, task, advance())) {
            packets.emplace_back(std::move(text));
            packets.back().take<std::uint64_t>();
        }
        return packets;
    }

    const Study& study;
    Store& store;
    const SweepOptions& options;
    Team& team;
    std::vector<bool> done;                              ///< [point] stored from before
    std::vector<bool> illegal;                           ///< [point] of those
    std::unordered_map<std::uint64_t, double> found;     ///< badness of the ok points from before
    std::vector<std::pair<double, std::uint64_t>> open;  ///< (bound, point)
    tbb::enumerable_thread_specific<PointRunner> runners;
    std::mutex mutex;
};

}  // namespace

void sweep_best_first(const Study& study, Store& store, const SweepOptions& options, Team& team) {
    Search(study, store, options, team).run();
}

}  // namespace orrery::study
