#include "study/flow_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "core/error.hpp"
#include "core/nearest_name.hpp"
#include "study/kind_prices.hpp"
#include "study/shared_inputs.hpp"

namespace orrery::study {
namespace {

void check_gpu(const Experiment& experiment, const std::string& key, std::uint32_t gpu) {
    const int gpus = experiment.cluster.devices();
    if (gpu < static_cast<std::uint32_t>(gpus)) return;
    throw InputError(experiment.where(key), key,
                     fmt::format("gpu {} is not of the cluster; expected 0 to {}", gpu, gpus - 1));
}

/// The links of that name, or of the cable of that name.
std::vector<std::uint32_t> links_named(const std::string& name, const sim::FlowLoads& loads) {
    std::vector<std::uint32_t> found;
    for (std::uint32_t l = 0; l < loads.links.size(); ++l) {
        const std::string link = loads.name(l);
        const bool cable = link.size() > name.size() && link.starts_with(name) &&
                           (link.substr(name.size()) == " out" || link.substr(name.size()) == " in");
        if (link == name || cable) found.push_back(l);
    }
    return found;
}

void add_link_fault(const Experiment& experiment, const FaultChoice& fault, const sim::FlowLoads& loads,
                    sim::Disturbances& to) {
    const std::vector<std::uint32_t> links = links_named(fault.link, loads);
    if (links.empty()) {
        std::vector<std::string> names;
        for (std::uint32_t l = 0; l < loads.links.size(); ++l) names.push_back(loads.name(l));
        throw InputError(experiment.where("faults"), "faults.link",
                         fmt::format("unknown link \"{}\"; did you mean \"{}\"?", fault.link,
                                     nearest_name(fault.link, names).value_or(names.front())));
    }
    for (const std::uint32_t link : links)
        to.link_faults.push_back({link, fault.at_s, fault.bandwidth.value_or(0)});
}

sim::Disturbances disturbances_of(const Experiment& experiment, const sim::FlowLoads& loads) {
    sim::Disturbances all = kernel_disturbances(experiment);
    for (const FaultChoice& fault : experiment.faults) {
        if (fault.link.empty() == !fault.gpu.has_value())
            throw InputError(experiment.where("faults"), "faults", "each names either a link or a gpu");
        if (!fault.gpu) {
            add_link_fault(experiment, fault, loads, all);
            continue;
        }
        check_gpu(experiment, "faults.gpu", *fault.gpu);
        all.device_faults.push_back(
            {*fault.gpu, fault.at_s,
             fault.fails ? std::numeric_limits<double>::infinity() : fault.slowdown.value_or(1)});
    }
    return all;
}

void set_shares(sim::FlowOptions& options, const SharingChoice& sharing) {
    const auto set = [&](sim::StreamKind kind, const sim::StreamShare& share) {
        options.shares[static_cast<std::size_t>(kind)] = share;
    };
    set(sim::StreamKind::tp, sharing.tp);
    set(sim::StreamKind::cp, sharing.cp);
    set(sim::StreamKind::ep, sharing.ep);
    set(sim::StreamKind::dp, sharing.dp);
    set(sim::StreamKind::pp_send, sharing.pp);
    set(sim::StreamKind::pp_recv, sharing.pp);
    set(sim::StreamKind::copy_in, sharing.copy);
    set(sim::StreamKind::copy_out, sharing.copy);
}

sim::TransferCosts transfers_of(const Experiment& experiment, const sim::Program& program) {
    return sim::price_transfers(program, collectives_by_kind(experiment), experiment.cluster);
}

}  // namespace

sim::Disturbances kernel_disturbances(const Experiment& experiment) {
    sim::Disturbances kernels;
    kernels.stragglers = experiment.stragglers;
    kernels.jitter = experiment.jitter;
    for (const sim::Straggler& straggler : experiment.stragglers)
        check_gpu(experiment, "stragglers", straggler.device);
    return kernels;
}

sim::FoldedLoads folded_loads(const Experiment& experiment, const sim::Program& folded,
                              const sim::Program& whole) {
    return sim::folded_flow_loads(folded, whole, transfers_of(experiment, folded),
                                  sim::Network(experiment.cluster), experiment.cluster);
}

sim::FlowLoads whole_loads(const Experiment& experiment, const sim::Program& program) {
    return sim::flow_loads(program, transfers_of(experiment, program), sim::Network(experiment.cluster),
                           experiment.cluster);
}

FlowOutcome run_flow(const Experiment& experiment, const sim::Program& program, const sim::WorkCosts& costs,
                     sim::FlowLoads loads) {
    FlowOutcome outcome;
    outcome.record.loads = std::move(loads);
    sim::FlowOptions options;
    options.slowdown = shared_overlap()->slowdown();
    options.disturbances = disturbances_of(experiment, outcome.record.loads);
    options.usage = &outcome.record.usage;
    set_shares(options, experiment.sharing);
    outcome.timeline = sim::simulate_with_flow(program, costs, outcome.record.loads, options);
    return outcome;
}

}  // namespace orrery::study
