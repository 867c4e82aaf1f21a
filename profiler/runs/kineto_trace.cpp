// PyTorch profiler traces (Kineto, Chrome's trace event format): read event by event, so that a large trace
// costs its text and the device work it holds, not a tree of all of it.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "core/error.hpp"
#include "profiler/runs/measured_run.hpp"

namespace orrery::profiler {
namespace {

using Json = nlohmann::json;

/// The members of one event that matter.
struct Event {
    std::string phase;
    std::string category;
    std::string name;
    std::optional<double> start_us;
    std::optional<double> duration_us;
    std::optional<double> stream;
};

struct Step {
    double start_s;
    double duration_s;
};

/// Handler of nlohmann's event parser. Depths: 1 the file's object, 2 traceEvents, 3 an event, 4 its args.
class Handler final : public nlohmann::json_sax<Json> {
  public:
    Handler(MeasuredRun& run, std::string file) : run_(run), file_(std::move(file)) {}

    bool null() override { return true; }
    bool boolean(bool /*value*/) override { return true; }
    bool number_integer(std::int64_t value) override { return number(static_cast<double>(value)); }
    bool number_unsigned(std::uint64_t value) override { return number(static_cast<double>(value)); }
    bool number_float(double value, const std::string& /*text*/) override { return number(value); }
    bool binary(Json::binary_t& /*value*/) override { return true; }

    bool string(std::string& value) override {
        if (in_event() && depth_ == 3) {
            if (key_ == "ph") event_.phase = value;
            if (key_ == "cat") event_.category = value;
            if (key_ == "name") event_.name = value;
            if (key_ == "ts" || key_ == "dur") wrong(key_, "expected a number, found a text");
        } else if (section_ == "deviceProperties" && key_ == "name" && run_.device.empty()) {
            run_.device = value;
        }
        return true;
    }

    bool key(std::string& value) override {
        key_ = value;
        if (depth_ == 1) section_ = value;
        if (depth_ == 3) in_args_ = value == "args";
        return true;
    }

    bool start_object(std::size_t /*size*/) override {
        ++depth_;
        if (in_event() && depth_ == 3) event_ = {};
        return true;
    }
    bool end_object() override {
        if (in_event() && depth_ == 3) finish_event();
        --depth_;
        return true;
    }
    bool start_array(std::size_t /*size*/) override {
        ++depth_;
        if (depth_ == 2 && section_ == "traceEvents") found_events = true;
        return true;
    }
    bool end_array() override {
        --depth_;
        return true;
    }

    bool parse_error(std::size_t position, const std::string& /*token*/,
                     const Json::exception& /*error*/) override {
        throw InputError(
            {file_, 0, 0}, "",
            "is no whole JSON file: it breaks off or goes wrong at byte " + std::to_string(position));
    }

    bool found_events = false;
    std::vector<Step> steps;

  private:
    [[nodiscard]] bool in_event() const { return found_events && section_ == "traceEvents"; }

    [[noreturn]] void wrong(const std::string& key, const std::string& message) const {
        throw InputError({file_, 0, 0}, "traceEvents." + key, message);
    }

    bool number(double value) {
        if (in_event() && depth_ == 3) {
            if (key_ == "ts") event_.start_us = value;
            if (key_ == "dur") event_.duration_us = value;
        } else if (in_event() && depth_ == 4 && in_args_) {
            if (key_ == "stream") event_.stream = value;
        } else if (section_ == "distributedInfo" && key_ == "rank" && depth_ == 2) {
            run_.rank = static_cast<std::int64_t>(std::clamp(value, -1.0, 1e9));
        }
        return true;
    }

    std::int32_t name_index(const std::string& name) {
        const auto [found, added] = names_.emplace(name, static_cast<std::int32_t>(run_.names.size()));
        if (added) run_.names.push_back(name);
        return found->second;
    }

    void finish_event() {
        const Event& e = event_;
        if (e.phase != "X") return;
        const bool device =
            e.category == "kernel" || e.category == "gpu_memcpy" || e.category == "gpu_memset";
        const bool step = e.category == "user_annotation" && e.name.starts_with("ProfilerStep#");
        if (!device && !step) return;
        if (!e.start_us || !e.duration_us) wrong("ts", "an event of " + e.category + " has no time");
        if (!std::isfinite(*e.start_us) || !(*e.duration_us >= 0) || *e.duration_us > 1e12 ||
            std::abs(*e.start_us) > 1e18) {
            wrong("dur", "a time is out of range");
        }
        // Subtracting the first start keeps microseconds exact where stamps count from 1970.
        if (!origin_us_) origin_us_ = *e.start_us;
        const double start = (*e.start_us - *origin_us_) * 1e-6;
        if (step) {
            steps.push_back({start, *e.duration_us * 1e-6});
            return;
        }
        MeasuredTask task;
        task.name = name_index(e.name);
        task.family = e.category == "gpu_memcpy"   ? RunFamily::copy
                      : e.category == "gpu_memset" ? RunFamily::fill
                                                   : family_of(e.name);
        task.stream = static_cast<std::int64_t>(std::clamp(e.stream.value_or(0), -1e9, 1e9));
        task.start_s = start;
        task.end_s = start + *e.duration_us * 1e-6;
        run_.tasks.push_back(task);
    }

    MeasuredRun& run_;
    std::string file_;
    int depth_ = 0;
    bool in_args_ = false;
    std::string section_;
    std::string key_;
    Event event_;
    std::optional<double> origin_us_;
    std::unordered_map<std::string, std::int32_t> names_;
};

/// Steps that follow each other: the median distance of their starts; one alone: its length.
void set_step_time(MeasuredRun& run, std::vector<Step> steps) {
    if (steps.empty()) return;
    std::sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.start_s < b.start_s; });
    run.step_time_from = "the ProfilerStep annotation";
    run.step_time_s = steps.front().duration_s;
    run.steps = static_cast<int>(steps.size());
    if (steps.size() < 2) return;
    std::vector<double> distances;
    for (std::size_t i = 1; i < steps.size(); ++i)
        distances.push_back(steps[i].start_s - steps[i - 1].start_s);
    const auto middle = distances.begin() + static_cast<std::ptrdiff_t>(distances.size() / 2);
    std::nth_element(distances.begin(), middle, distances.end());
    run.step_time_s = *middle;
    run.step_time_from = "the distance of " + std::to_string(steps.size()) + " ProfilerStep annotations";
}

}  // namespace

MeasuredRun parse_kineto(std::string_view json, const std::string& file) {
    MeasuredRun run;
    run.source = file;
    run.format = "kineto";
    Handler handler(run, file);
    Json::sax_parse(json.begin(), json.end(), &handler);
    if (!handler.found_events)
        throw InputError({file, 0, 0}, "", "expected a list traceEvents, as PyTorch's profiler writes it");
    set_step_time(run, handler.steps);
    complete(run);
    return run;
}

}  // namespace orrery::profiler
