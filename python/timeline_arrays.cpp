#include "python/timeline_arrays.hpp"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "report/task_view.hpp"

namespace orrery::python {
namespace {

namespace py = pybind11;

/// An array to be filled in order.
template <class Number>
class Filled {
  public:
    explicit Filled(std::size_t size)
        : array_(static_cast<py::ssize_t>(size)), next_(array_.mutable_data()) {}

    template <class Value>
    void add(Value value) {
        *next_++ = static_cast<Number>(value);
    }
    [[nodiscard]] const py::array_t<Number>& array() const { return array_; }

  private:
    py::array_t<Number> array_;
    Number* next_;
};

/// Words of an enumeration, by its values from 0 to the last.
template <class Word>
std::vector<std::string> words(Word last, std::string_view (*name)(Word)) {
    std::vector<std::string> all;
    for (int i = 0; i <= static_cast<int>(last); ++i) all.emplace_back(name(static_cast<Word>(i)));
    return all;
}

/// What a task does: a kernel, a copy, or one of the collectives, whose words follow.
constexpr int kKernel = 0;
constexpr int kCopy = 1;
constexpr int kFirstCollective = 2;

std::vector<std::string> kind_words() {
    std::vector<std::string> all{"kernel", "copy"};
    for (std::string& word : words<sim::CollectiveKind>(sim::CollectiveKind::barrier, sim::to_string))
        all.push_back(std::move(word));
    return all;
}

int kind_of(const sim::Work& work) {
    if (const auto* collective = std::get_if<sim::Collective>(&work))
        return kFirstCollective + static_cast<int>(collective->kind);
    return std::holds_alternative<sim::Copy>(work) ? kCopy : kKernel;
}

}  // namespace

py::dict timeline_arrays(const sim::Program& program, const sim::Timeline& timeline) {
    const std::size_t tasks = program.tasks();
    Filled<std::int32_t> rank(tasks), stage(tasks), name(tasks), micro_batch(tasks);
    Filled<std::int16_t> chunk(tasks), slice(tasks), layer(tasks);
    Filled<std::int8_t> stream(tasks), kind(tasks), phase(tasks);
    Filled<double> bytes(tasks);
    for (std::size_t r = 0; r < program.ranks.size(); ++r) {
        const sim::RankProgram& own = program.program_of(sim::RankId(r));
        for (std::size_t t = 0; t < own.size(); ++t) {
            const sim::TaskLabel& label = own.label[t];
            const sim::Work& work = program.works[own.work[t]()];
            rank.add(program.ranks[r].device);
            stage.add(program.ranks[r].pipeline_device);
            stream.add(own.streams[own.stream[t]()].kind);
            kind.add(kind_of(work));
            phase.add(label.phase);
            name.add(label.name);
            micro_batch.add(label.micro_batch);
            chunk.add(label.chunk);
            slice.add(label.slice);
            layer.add(label.layer);
            bytes.add(report::bytes_of(work));
        }
    }
    Filled<double> start(tasks), end(tasks);
    for (const double time : timeline.start) start.add(time);
    for (const double time : timeline.end) end.add(time);
    py::dict categories;
    categories["stream"] = words<sim::StreamKind>(sim::StreamKind::copy_out, sim::to_string);
    categories["kind"] = kind_words();
    categories["phase"] = words<sim::Phase>(sim::Phase::transfer, sim::to_string);
    categories["name"] = program.names;
    py::dict arrays;
    arrays["rank"] = rank.array();
    arrays["stage"] = stage.array();
    arrays["stream"] = stream.array();
    arrays["kind"] = kind.array();
    arrays["phase"] = phase.array();
    arrays["name"] = name.array();
    arrays["microbatch"] = micro_batch.array();
    arrays["chunk"] = chunk.array();
    arrays["slice"] = slice.array();
    arrays["layer"] = layer.array();
    arrays["bytes"] = bytes.array();
    arrays["start"] = start.array();
    arrays["end"] = end.array();
    arrays["categories"] = categories;
    return arrays;
}

py::dict schedule_arrays(const schedules::Schedule& schedule, const schedules::Evaluation& evaluation) {
    static const std::vector<std::string> kKinds{
        "forward", "backward", "backward-input", "backward-weight", "recompute", "evict", "load"};
    std::size_t actions = 0;
    for (const auto& order : schedule.orders) actions += order.size();
    Filled<std::int32_t> device(actions), stage(actions), micro_batch(actions), slice(actions);
    Filled<std::int8_t> kind(actions);
    Filled<double> start(actions), end(actions);
    for (std::size_t d = 0; d < schedule.orders.size(); ++d) {
        for (std::size_t i = 0; i < schedule.orders[d].size(); ++i) {
            const schedules::Action& action = schedule.orders[d][i];
            device.add(d);
            stage.add(action.stage);
            kind.add(action.kind);
            micro_batch.add(action.micro_batch);
            slice.add(action.slice);
            start.add(evaluation.start[d][i]);
            end.add(evaluation.end[d][i]);
        }
    }
    py::dict categories;
    categories["kind"] = kKinds;
    py::dict arrays;
    arrays["device"] = device.array();
    arrays["stage"] = stage.array();
    arrays["kind"] = kind.array();
    arrays["microbatch"] = micro_batch.array();
    arrays["slice"] = slice.array();
    arrays["start"] = start.array();
    arrays["end"] = end.array();
    arrays["categories"] = categories;
    return arrays;
}

}  // namespace orrery::python
