#include "profiler/calibrate_profile.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/error.hpp"
#include "profiler/fit_attention.hpp"
#include "profiler/fit_gemm.hpp"
#include "profiler/fit_lattice.hpp"
#include "profiler/fit_memory.hpp"
#include "profiler/fit_quality.hpp"
#include "sim/cost/calibration_names.hpp"

namespace orrery::profiler {
namespace {

constexpr int kFolds = 5;
constexpr std::size_t kFewest = 12;  // samples that make a fit of products

AttentionImplementation implementation_of(const Record& record) {
    if (record.implementation.starts_with("cudnn")) return AttentionImplementation::cudnn;
    if (record.implementation.starts_with("unfused")) return AttentionImplementation::unfused;
    return AttentionImplementation::flash2;
}

std::vector<Sample> of_kind(const std::vector<Sample>& samples, KernelKind kind) {
    std::vector<Sample> out;
    for (const Sample& sample : samples) {
        if (sample.kernel.kind == kind) out.push_back(sample);
    }
    return out;
}

std::map<Precision, std::vector<Sample>> by_precision(const std::vector<Sample>& samples) {
    std::map<Precision, std::vector<Sample>> out;
    for (const Sample& sample : samples) out[sample.kernel.precision].push_back(sample);
    return out;
}

/// "orrery profile on NVIDIA H100 80GB HBM3 (driver ...), 2026-11-24: 120 samples".
class Origin {
  public:
    explicit Origin(const std::vector<Record>& records) {
        const auto [first, last] = std::minmax_element(
            records.begin(), records.end(), [](const Record& a, const Record& b) { return a.date < b.date; });
        const std::string begin = first->date.substr(0, 10);
        const std::string end = last->date.substr(0, 10);
        words_ = fmt::format("orrery profile on {} ({}), {}", first->device, first->driver,
                             begin == end ? begin : begin + " to " + end);
        command_ = first->command;
    }

    [[nodiscard]] sim::Provenance measured(std::size_t samples, const std::string& more = "") const {
        std::string source = fmt::format("{}; {} samples; {}", words_, samples, command_);
        if (!more.empty()) source += "; " + more;
        return {"measured", source};
    }

  private:
    std::string words_;
    std::string command_;
};

sim::Provenance inherited(const sim::Provenance& from, const std::string& base) {
    const std::string note = "not measured here, as in calibration " + base + ": ";
    const std::string kind = from.kind == "measured" ? "derived" : from.kind;
    return {kind, from.source.starts_with("not measured here") ? from.source : note + from.source};
}

/// Everything a fit needs to know besides its samples.
struct Task {
    const topologies::Gpu& gpu;
    const Origin& origin;
    const std::optional<sim::Calibration>& base;

    [[nodiscard]] std::string base_name() const { return base ? base->gpu : ""; }
};

/// The model to start from: the base's of that precision, or the hardware's suggestion; its level moved to
/// the samples first, so that the weak priors of the fit hold shapes and not levels.
sim::GemmModel starting_gemm(const std::vector<Sample>& samples, Precision precision, const Task& task,
                             const sim::GemmDevice& device) {
    sim::GemmModel start = gemm_prior();
    if (task.base) {
        const auto found = task.base->gemm.find(precision);
        if (found != task.base->gemm.end()) start = found->second;
    }
    start.lattice = {};
    double shortest = samples.front().time_s;
    for (const Sample& sample : samples) shortest = std::min(shortest, sample.time_s);
    start.fixed_s = std::min(start.fixed_s, shortest / 2);
    for (int pass = 0; pass < 3; ++pass) start = fit_gemm_level(samples, start, device, LevelOf::both);
    return start;
}

sim::GemmModel fit_products(const std::vector<Sample>& samples, Precision precision, const Task& task) {
    const sim::GemmDevice device = sim::gemm_device(task.gpu, precision);
    const sim::GemmModel start = starting_gemm(samples, precision, task, device);
    const LatticeChoice choice = choose_lattice(samples, start, device, kFolds);
    sim::GemmModel model = fit_gemm(samples, start, device);
    model.lattice = lattice_of(samples, model, device, choice.reach);
    model.quality = measure_quality(
        samples, [&](const Sample& s) { return gemm_time_with_lattice(s.kernel, model, device); });
    for (const LatticeTrial& trial : choice.trials) {
        if (trial.reach != choice.reach) continue;
        model.quality.held_out_median = trial.held_out_median;
        model.quality.held_out_p90 = trial.held_out_p90;
    }
    model.provenance = task.origin.measured(samples.size(), choice.words());
    return model;
}

void fit_gemms(const std::vector<Sample>& samples, const Task& task, sim::Calibration& out) {
    for (const auto& [precision, some] : by_precision(of_kind(samples, KernelKind::gemm))) {
        if (some.size() >= kFewest) out.gemm[precision] = fit_products(merge_repeats(some), precision, task);
    }
    if (task.base) {
        for (const auto& [precision, model] : task.base->gemm) {
            if (!out.gemm.emplace(precision, model).second) continue;
            out.gemm[precision].provenance = inherited(model.provenance, task.base_name());
        }
    }
    if (out.gemm.empty()) {
        throw InputError(
            {}, "calibrate",
            fmt::format("needs at least {} products (gemm) of one precision among its samples, or --base",
                        kFewest));
    }
}

void fit_grouped_gemms(const std::vector<Sample>& samples, const Task& task, sim::Calibration& out) {
    for (const auto& [precision, some] : by_precision(of_kind(samples, KernelKind::grouped_gemm))) {
        if (some.size() < 6 || !out.gemm.contains(precision)) continue;
        out.grouped_gemm[precision] =
            fit_grouped_gemm(some, out.gemm[precision], sim::gemm_device(task.gpu, precision));
        out.grouped_gemm[precision].provenance = task.origin.measured(some.size());
    }
    if (!task.base) return;
    for (const auto& [precision, model] : task.base->grouped_gemm) {
        if (!out.grouped_gemm.emplace(precision, model).second) continue;
        out.grouped_gemm[precision].provenance = inherited(model.provenance, task.base_name());
    }
}

/// Where to begin: the share of the peak that the longest kernels reach.
AttentionPrior attention_prior(const std::vector<Sample>& samples, const sim::GemmDevice& device) {
    AttentionPrior prior;
    double best = 0;
    double shortest = samples.front().time_s;
    for (const Sample& sample : samples) {
        shortest = std::min(shortest, sample.time_s);
        best = std::max(best, sim::attention_flops(sample.kernel) / sample.time_s / device.peak_flops);
    }
    prior.efficiency = best;
    prior.fixed_forward_s = std::min(prior.fixed_forward_s, shortest / 2);
    prior.fixed_backward_s = std::min(prior.fixed_backward_s, shortest / 2);
    return prior;
}

void fit_attentions(const std::vector<Sample>& samples, const Task& task, sim::Calibration& out) {
    std::map<std::pair<AttentionImplementation, int>, std::vector<Sample>> groups;
    for (const Sample& sample : of_kind(samples, KernelKind::attention)) {
        groups[{sample.kernel.attention, static_cast<int>(sample.kernel.k)}].push_back(sample);
    }
    std::set<std::pair<AttentionImplementation, int>> fitted;
    for (const auto& [which, some] : groups) {
        if (some.size() < 4) continue;
        const sim::GemmDevice device = sim::gemm_device(task.gpu, some.front().kernel.precision);
        AttentionPair pair =
            fit_attention(some, which.first, which.second, attention_prior(some, device), device);
        for (sim::AttentionModel* model : {&pair.forward, &pair.backward}) {
            model->provenance = task.origin.measured(some.size());
            out.attention.push_back(*model);
        }
        fitted.insert(which);
    }
    if (!task.base) return;
    for (sim::AttentionModel model : task.base->attention) {
        if (fitted.contains({model.implementation, model.head_dim})) continue;
        model.provenance = inherited(model.provenance, task.base_name());
        out.attention.push_back(std::move(model));
    }
}

/// Where to begin: the bandwidth that the largest kernel reaches, and half of the shortest time.
sim::MemoryModel memory_prior(const std::vector<Sample>& samples, const topologies::Gpu& gpu) {
    sim::MemoryModel prior;
    prior.fixed_s = 2.5e-6;
    double most = 0;
    for (const Sample& sample : samples) {
        prior.fixed_s = std::min(prior.fixed_s, sample.time_s / 2);
        if (sample.kernel.bytes <= most) continue;
        most = sample.kernel.bytes;
        prior.bandwidth = most / sample.time_s / gpu.memory_bandwidth;
    }
    return prior;
}

void fit_memory_families(const std::vector<Sample>& samples, const Task& task, sim::Calibration& out) {
    const std::vector<Sample> passes = of_kind(samples, KernelKind::memory_bound);
    for (const auto& [name, family] : sim::family_names()) {
        std::vector<Sample> some;
        for (const Sample& sample : passes) {
            if (sample.kernel.family == family) some.push_back(sample);
        }
        sim::MemoryModel& model = out.memory[static_cast<std::size_t>(family)];
        if (some.size() >= 2) {
            model = fit_memory(some, family, memory_prior(some, task.gpu), task.gpu.memory_bandwidth);
            model.provenance = task.origin.measured(some.size());
        } else if (task.base) {
            model = task.base->memory[static_cast<std::size_t>(family)];
            model.provenance = inherited(model.provenance, task.base_name());
        } else {
            throw InputError(
                {}, "calibrate",
                fmt::format("needs samples of memory-bound kernels of the family '{}', or --base", name));
        }
    }
}

/// What a host operation costs when nobody measured it: the base's figure, else the struct's own, as assumed.
sim::HostTime unmeasured_host(const Task& task, sim::HostTime sim::HostModel::*member, sim::HostTime time) {
    if (task.base) {
        time = task.base->host.*member;
        time.provenance = inherited(time.provenance, task.base_name());
    } else {
        time.provenance = {
            "assumed", "none: no base calibration was given, and the profiler cannot see a framework's work"};
    }
    return time;
}

void set_host(const std::vector<Record>& records, const Task& task, sim::Calibration& out) {
    for (const sim::HostKey& key : sim::kHostKeys) {
        out.host.*key.member = unmeasured_host(task, key.member, out.host.*key.member);
    }
    for (const Record& record : records) {
        const Operation operation = record.kernel_case.operation;
        const bool graph = operation == Operation::graph_launch && record.kernel_case.rows == 1;
        if (operation != Operation::launch && !graph) continue;
        const double t = record.time_s.median;
        const double spread = std::min(record.time_s.spread, t);
        sim::HostTime& time = graph ? out.host.graph_launch : out.host.kernel_launch;
        time = {t, t - spread, t + spread, task.origin.measured(1)};
    }
}

/// What was measured that no model holds: capacity and copies.
std::string further_findings(const std::vector<Record>& records) {
    std::string out;
    std::map<Operation, const Record*> largest;
    for (const Record& record : records) {
        const KernelCase& c = record.kernel_case;
        if (c.operation == Operation::usable_memory && record.amount > 0) {
            out += fmt::format(" Usable memory: {:.2f} GiB.", record.amount / 1073741824.0);
        }
        if (c.operation < Operation::device_copy || c.operation > Operation::copy_from_host) continue;
        const Record*& best = largest[c.operation];
        if (best == nullptr || c.rows > best->kernel_case.rows) best = &record;
    }
    for (const auto& [operation, record] : largest) {
        out += fmt::format(" {} of {:.3g} bytes: {:.3g} GB/s.", info_of(operation).name,
                           static_cast<double>(record->kernel_case.rows),
                           static_cast<double>(record->kernel_case.rows) / record->time_s.median / 1e9);
    }
    return out;
}

void check_one_device(const std::vector<Record>& records) {
    if (records.empty()) throw InputError({}, "calibrate", "the files hold no samples");
    std::set<std::string> devices;
    for (const Record& record : records) devices.insert(record.device);
    if (devices.size() > 1) {
        throw InputError({}, "calibrate",
                         fmt::format("samples of several devices ({}): a calibration is of one",
                                     fmt::join(devices, "; ")));
    }
}

}  // namespace

std::vector<Sample> samples_of(const std::vector<Record>& records) {
    std::vector<Sample> out;
    for (const Record& record : records) {
        if (record.cache != CacheState::cold || record.time_s.median <= 0) continue;
        Sample sample;
        sample.kernel = record.kernel_case.kernel;
        sample.time_s = record.time_s.median;
        sample.what = info_of(record.kernel_case.operation).name;
        if (sample.kernel.backward) sample.what += " backward";
        if (sample.kernel.kind == KernelKind::attention) sample.kernel.attention = implementation_of(record);
        if (sample.kernel.kind == KernelKind::host_only) continue;
        sample.source = record.command;
        out.push_back(std::move(sample));
    }
    return out;
}

sim::Calibration calibrate_profile(const std::vector<Record>& records, const topologies::Gpu& gpu,
                                   const std::optional<sim::Calibration>& base) {
    check_one_device(records);
    const Origin origin(records);
    const Task task{gpu, origin, base};
    const std::vector<Sample> samples = samples_of(records);
    sim::Calibration out;
    out.gpu = gpu.name;
    fit_gemms(samples, task, out);
    fit_grouped_gemms(samples, task, out);
    fit_attentions(samples, task, out);
    fit_memory_families(samples, task, out);
    set_host(records, task, out);
    out.summary = fmt::format(
        "Kernel times of the {}, fitted by orrery calibrate to samples of orrery profile on {}. No number "
        "comes from a training run. Efficiencies are fractions of the data sheet's peaks.{}",
        gpu.name, records.front().device, further_findings(records));
    return sim::parse_calibration(sim::to_yaml(out), gpu.name);
}

}  // namespace orrery::profiler
