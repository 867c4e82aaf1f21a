// python/module.cpp
//
// orrery._orrery: what the package in python/orrery/ is made of. Experiments come in as texts or paths,
// results go out as the JSON texts that the command prints, arrays as NumPy's.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/collective.hpp"
#include "cli/compare.hpp"
#include "cli/experiment_options.hpp"
#include "cli/list.hpp"
#include "cli/schedule.hpp"
#include "cli/sweep.hpp"
#include "core/atomic_file.hpp"
#include "core/own_file.hpp"
#include "python/columns.hpp"
#include "python/errors.hpp"
#include "python/interruptible.hpp"
#include "python/timeline_arrays.hpp"
#include "report/json.hpp"
#include "report/write_report.hpp"
#include "study/sweep/query.hpp"

namespace orrery::python {
namespace {

namespace py = pybind11;

/// An experiment or a study as it was given.
struct Source {
    std::string value;
    bool is_text = false;  ///< the YAML itself; otherwise a path or a name
};

constexpr const char* kTextName = "<config>";  ///< stands for the file in messages about a text

study::Experiment load(const Source& source, const std::vector<std::string>& sets) {
    if (!source.is_text) return study::load_experiment(source.value, sets);
    study::Experiment experiment = study::parse_experiment(source.value, kTextName, sets);
    if (experiment.name.empty()) experiment.name = "experiment";
    return experiment;
}

using Simulated = std::shared_ptr<const cli::Outcome>;

Simulated simulate(const Source& source, const std::vector<std::string>& sets, bool links, bool timing) {
    return interruptibly([=](const std::atomic<bool>&) -> Simulated {
        study::Experiment experiment = load(source, sets);
        cli::ExperimentOptions options;
        options.timing = timing;
        options.links = links || experiment.model.experts.count > 0;
        return std::make_shared<const cli::Outcome>(cli::simulate(std::move(experiment), options));
    });
}

void write(const Simulated& simulated, const std::string& folder) {
    interruptibly([=](const std::atomic<bool>&) {
        report::write_report(folder, simulated->result, simulated->simulation.lowered.program,
                             simulated->simulation.timeline);
        return true;
    });
}

bool describes_several(const Source& source) {
    if (!source.is_text) return study::describes_several(source.value);
    return yaml::parse(source.value, kTextName).find("vary") != nullptr;
}

/// One source that varies keys, or several experiments.
std::string compare(const std::vector<Source>& sources, const std::vector<std::string>& sets,
                    const std::string& out) {
    return interruptibly([=](const std::atomic<bool>&) {
        cli::ExperimentOptions options;
        options.out = out;
        const bool several = sources.size() == 1 && describes_several(sources.front());
        cli::Compared compared;
        if (several) {
            const Source& source = sources.front();
            compared =
                cli::simulate_variants(source.is_text ? study::parse_variants(source.value, kTextName, sets)
                                                      : study::load_variants(source.value, sets),
                                       options);
        } else {
            if (sources.empty()) throw InputError({}, "configs", "expected one or more experiments");
            std::vector<study::Experiment> experiments;
            for (const Source& source : sources) experiments.push_back(load(source, sets));
            compared = cli::simulate_all(std::move(experiments), options);
        }
        if (!out.empty()) report::write_comparison(out, compared.runs);
        const report::Json json = several
                                      ? cli::variants_json(compared)
                                      : report::to_json(std::span<const report::Result>(compared.results));
        return report::to_text(json);
    });
}

/// Thrown inside a sweep that nobody waits for any more.
struct Abandoned {};

std::pair<std::string, std::string> sweep(const Source& source, cli::SweepRequest request) {
    return interruptibly([=](const std::atomic<bool>& abandoned) mutable {
        const study::Study study = source.is_text ? study::parse_study(source.value, kTextName, request.set)
                                                  : study::load_study(source.value, request.set);
        const std::filesystem::path own_file = std::filesystem::path(request.out) / "study.yaml";
        request.study = source.is_text ? own_file.string() : source.value;
        request.alone = true;
        request.advance = [&abandoned](std::uint64_t) {
            if (abandoned) throw Abandoned{};
        };
        const cli::SweepOutcome outcome = cli::run_sweep(request, study);
        if (source.is_text && request.reports) write_file_atomically(own_file, source.value);
        return std::pair(report::to_text(report::to_json(outcome.summary)),
                         cli::results_file(outcome.folder).string());
    });
}

void add_experiments(py::module_& module) {
    py::class_<Source>(module, "Source")
        .def(py::init<std::string, bool>(), py::arg("value"), py::arg("is_text"));
    py::class_<cli::Outcome, std::shared_ptr<cli::Outcome>>(module, "Outcome")
        .def("result_json",
             [](const cli::Outcome& self) { return report::to_text(report::to_json(self.result)); })
        .def("too_large", [](const cli::Outcome& self) { return self.too_large; })
        .def("timeline",
             [](const cli::Outcome& self) {
                 return timeline_arrays(self.simulation.lowered.program, self.simulation.timeline);
             })
        .def("write", [](const std::shared_ptr<cli::Outcome>& self, const std::string& folder) {
            write(self, folder);
        });
    module.def("simulate",
               [](const Source& source, const std::vector<std::string>& sets, bool links, bool timing) {
                   return std::const_pointer_cast<cli::Outcome>(simulate(source, sets, links, timing));
               });
    module.def("compare", &compare);
}

void add_sweeps(py::module_& module) {
    module.def(
        "sweep",
        [](const Source& source, const std::vector<std::string>& sets, const std::string& out, int jobs,
           std::size_t best, std::size_t charts, bool resume, bool reports) {
            cli::SweepRequest request;
            request.set = sets;
            request.out = out;
            request.jobs = jobs;
            request.best = best;
            request.charts = charts;
            request.resume = resume;
            request.reports = reports;
            const auto [summary, results] = sweep(source, std::move(request));
            return std::pair(summary, point_columns(results));
        },
        py::arg("source"), py::arg("sets"), py::arg("out"), py::arg("jobs"), py::arg("best"),
        py::arg("charts"), py::arg("resume"), py::arg("reports"));
    module.def("query", [](const std::string& file, const std::string& select, const std::string& rest) {
        return query_columns(
            interruptibly([=](const std::atomic<bool>&) { return study::query(file, select, rest); }));
    });
}

void add_bare_parts(py::module_& module) {
    using cli::CollectiveRequest;
    using cli::ScheduleRequest;
    py::class_<ScheduleRequest>(module, "ScheduleRequest")
        .def(py::init<>())
        .def_readwrite("name", &ScheduleRequest::name)
        .def_readwrite("stages", &ScheduleRequest::stages)
        .def_readwrite("microbatches", &ScheduleRequest::microbatches)
        .def_readwrite("chunks", &ScheduleRequest::chunks)
        .def_readwrite("slices", &ScheduleRequest::slices)
        .def_readwrite("forward", &ScheduleRequest::forward)
        .def_readwrite("backward_input", &ScheduleRequest::backward_input)
        .def_readwrite("backward_weight", &ScheduleRequest::backward_weight)
        .def_readwrite("comm", &ScheduleRequest::comm)
        .def_readwrite("overlapped", &ScheduleRequest::overlapped)
        .def_readwrite("transfer", &ScheduleRequest::transfer)
        .def_readwrite("memory_limit", &ScheduleRequest::memory_limit)
        .def_readwrite("released_at_backward", &ScheduleRequest::released_at_backward)
        .def_readwrite("time_limit", &ScheduleRequest::time_limit)
        .def_readwrite("variant", &ScheduleRequest::variant);
    module.def("schedule", [](const ScheduleRequest& request) {
        const cli::BareSchedule bare =
            interruptibly([request](const std::atomic<bool>&) { return cli::bare_schedule(request); });
        return std::pair(report::to_text(cli::to_json(bare)),
                         schedule_arrays(bare.schedule, bare.evaluation));
    });
    module.def(
        "collective",
        [](const std::string& kind, std::uint64_t bytes, int ranks, const std::string& cluster,
           int ranks_per_node, int sharing_groups, const std::string& algorithm, const std::string& protocol,
           const std::string& calibration, const std::string& engine, double skew) {
            const CollectiveRequest request{kind,
                                            bytes,
                                            ranks,
                                            ranks_per_node,
                                            cluster,
                                            calibration,
                                            {algorithm, protocol, sharing_groups},
                                            engine,
                                            skew};
            return interruptibly([request](const std::atomic<bool>&) {
                return report::to_text(cli::collective_json(request));
            });
        },
        py::arg("kind"), py::arg("bytes"), py::arg("ranks"), py::arg("cluster"), py::arg("ranks_per_node"),
        py::arg("sharing_groups"), py::arg("algorithm"), py::arg("protocol"), py::arg("calibration"),
        py::arg("engine"), py::arg("skew"));
    module.def("list_items", [](const std::string& kind) {
        std::vector<std::pair<std::string, std::string>> items;
        for (cli::ListedItem& item : cli::list_items(kind))
            items.emplace_back(std::move(item.name), std::move(item.summary));
        return items;
    });
    module.def("list_kinds", &cli::list_kinds);
}

}  // namespace
}  // namespace orrery::python

PYBIND11_MODULE(_orrery, module) {
    using namespace orrery::python;
    orrery::own_file();  // while the working folder is still that of the import
    translate_errors();
    end_abandoned_work_with_the_process();
    module.attr("version") = ORRERY_VERSION;
    add_experiments(module);
    add_sweeps(module);
    add_bare_parts(module);
}
