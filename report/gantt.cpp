#include "report/gantt.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "report/units.hpp"

namespace orrery::report {
namespace {

enum class Detail { task, layer, pass };

using ClassKey = std::tuple<std::string, Category, sim::Phase, int, int, int, double>;

/// Boxes that differ in this are never joined.
using JoinKey = std::tuple<Category, sim::Phase, int, int, int, int>;

class GanttMaker {
  public:
    GanttMaker(const sim::Program& program, const sim::Timeline& timeline, Detail detail,
               std::span<const Category> categories)
        : program_(program), timeline_(timeline), detail_(detail), categories_(categories) {}

    Gantt make(const std::vector<sim::RankId>& ranks) {
        for (const sim::RankId rank : ranks) add_rank(rank);
        return std::move(gantt_);
    }

  private:
    void add_rank(sim::RankId rank) {
        const sim::Rank& info = program_.ranks[rank()];
        const sim::RankProgram& tasks = program_.program_of(rank);
        std::vector<GanttRow> rows(tasks.streams.size());
        for (std::size_t stream = 0; stream < rows.size(); ++stream) {
            const sim::StreamInfo& kind = tasks.streams[stream];
            rows[stream].device = info.device;
            rows[stream].pipeline_device = info.pipeline_device;
            rows[stream].stream = sim::to_string(kind.kind);
            if (kind.peer >= 0) rows[stream].stream += fmt::format(" (device {})", kind.peer);
            rows[stream].compute = kind.kind == sim::StreamKind::compute;
        }
        std::vector<JoinKey> last(rows.size());
        for (std::size_t task = 0; task < tasks.size(); ++task) {
            const std::size_t stream = tasks.stream[task]();
            add_task(rank, tasks, sim::TaskId(task), rows[stream], last[stream]);
        }
        std::stable_partition(rows.begin(), rows.end(), [](const GanttRow& row) { return row.compute; });
        for (GanttRow& row : rows) {
            if (!row.boxes.empty()) gantt_.rows.push_back(std::move(row));
        }
    }

    void add_task(sim::RankId rank, const sim::RankProgram& tasks, sim::TaskId task, GanttRow& row,
                  JoinKey& last) {
        const std::uint64_t global = program_.first_task[rank()] + task.value;
        const double start = timeline_.start[global];
        const double end = timeline_.end[global];
        if (!(end > start)) return;
        const sim::TaskLabel& label = tasks.label[task()];
        const Category category =
            categories_.empty() ? category_of(program_, tasks, task) : categories_[global];
        const int layer = detail_ == Detail::pass ? -1 : label.layer;
        const JoinKey key{category, label.phase, label.micro_batch, label.chunk, label.slice, layer};
        if (detail_ != Detail::task && !row.boxes.empty() && last == key &&
            joins(row.boxes.back(), start, end)) {
            row.boxes.back().end_s = end;
            return;
        }
        last = key;
        GanttClass kind{"", category, label.phase, label.chunk, label.slice, layer, 0};
        if (detail_ == Detail::task) {
            kind.name = program_.names[static_cast<std::size_t>(label.name)];
            kind.bytes = bytes_of(program_.works[tasks.work[task()]()]);
        } else {
            kind.name = layer >= 0 ? fmt::format("layer {}", layer) : std::string(to_string(category));
        }
        row.boxes.push_back({start, end, class_index(kind), label.micro_batch});
    }

    /// Per layer only boxes that nearly touch are joined; per pass all of the pass.
    [[nodiscard]] bool joins(const GanttBox& box, double start, double end) const {
        constexpr double kGapShare = 0.2;
        return detail_ == Detail::pass || start - box.end_s <= kGapShare * (end - box.start_s);
    }

    std::uint32_t class_index(const GanttClass& kind) {
        const ClassKey key{kind.name,  kind.category, kind.phase, kind.chunk,
                           kind.slice, kind.layer,    kind.bytes};
        const auto [place, added] =
            classes_.try_emplace(key, static_cast<std::uint32_t>(gantt_.classes.size()));
        if (added) gantt_.classes.push_back(kind);
        return place->second;
    }

    const sim::Program& program_;
    const sim::Timeline& timeline_;
    Detail detail_;
    std::span<const Category> categories_;
    Gantt gantt_;
    std::map<ClassKey, std::uint32_t> classes_;
};

/// Keeps the `most` boxes that start first.
void keep_beginning(Gantt& gantt, std::size_t most) {
    std::vector<double> starts;
    for (const GanttRow& row : gantt.rows) {
        for (const GanttBox& box : row.boxes) starts.push_back(box.start_s);
    }
    std::nth_element(starts.begin(), starts.begin() + static_cast<std::ptrdiff_t>(most), starts.end());
    const double limit = starts[most];
    for (GanttRow& row : gantt.rows) {
        std::erase_if(row.boxes, [limit](const GanttBox& box) { return box.start_s >= limit; });
    }
    std::erase_if(gantt.rows, [](const GanttRow& row) { return row.boxes.empty(); });
    gantt.notes.push_back(
        fmt::format("Only the first {} of the step are drawn: {} boxes are the most a page holds.",
                    duration(limit), grouped(static_cast<std::int64_t>(most))));
}

}  // namespace

std::size_t Gantt::boxes() const {
    std::size_t count = 0;
    for (const GanttRow& row : rows) count += row.boxes.size();
    return count;
}

Gantt make_gantt(const sim::Program& program, const sim::Timeline& timeline, std::size_t most_boxes,
                 std::span<const Category> categories) {
    const std::vector<sim::RankId> ranks = one_rank_per_pipeline_device(program);
    std::uint64_t tasks = 0;
    for (const sim::RankId rank : ranks) tasks += program.program_of(rank).size();

    // Do not build what would be thrown away: joining per layer saves a factor of ten or so, not a thousand.
    constexpr std::uint64_t kJoinedAtMost = 64;
    Detail detail = tasks <= most_boxes ? Detail::task : Detail::layer;
    if (tasks > kJoinedAtMost * most_boxes) detail = Detail::pass;
    Gantt gantt = GanttMaker(program, timeline, detail, categories).make(ranks);
    if (detail == Detail::layer && gantt.boxes() > most_boxes) {
        detail = Detail::pass;
        gantt = GanttMaker(program, timeline, detail, categories).make(ranks);
    }
    if (!timeline.end.empty()) gantt.makespan_s = *std::max_element(timeline.end.begin(), timeline.end.end());
    gantt.axis_s = gantt.makespan_s;
    if (ranks.size() < program.ranks.size()) {
        gantt.notes.push_back(
            fmt::format("{} of {} simulated ranks are drawn: the first of each pipeline device.",
                        ranks.size(), program.ranks.size()));
    }
    if (detail == Detail::layer)
        gantt.notes.emplace_back("Tasks of one layer are joined into one box where they nearly touch.");
    if (detail == Detail::pass) {
        gantt.notes.emplace_back(
            "Tasks are joined into one box per micro-batch, chunk and phase; gaps inside a box are not "
            "drawn.");
    }
    if (gantt.boxes() > most_boxes) keep_beginning(gantt, most_boxes);
    return gantt;
}

}  // namespace orrery::report
