#include "parallel/pipeline/prepared_layers.hpp"

#include <string>
#include <utility>

namespace orrery::parallel {

using namespace sim;

const std::vector<PreparedStep>& PreparedLayers::steps(int node, int draw, Pass pass, int slice,
                                                       bool selective) {
    const int type = c_.model.nodes[static_cast<std::size_t>(node)].type;
    const auto [it, fresh] = prepared_.try_emplace({type, draw, pass, slice, selective});
    if (fresh) it->second = prepare(node, draw, pass, slice, selective);
    return it->second;
}

namespace {

std::string name_of(const Step& step) {
    switch (step.traffic) {
        case Step::Traffic::dispatch:
            return "dispatch";
        case Step::Traffic::combine:
            return "combine";
        case Step::Traffic::ring:
            return "ring of keys and values";
        case Step::Traffic::even:
            break;
    }
    return std::string(to_string(step.collective));
}

}  // namespace

Collective PreparedLayers::layer_collective(const Step& step, int type, int draw) {
    const std::vector<std::uint32_t> devices = c_.group_of(step.role);
    Collective work{step.collective, step.bytes, c_.interner.group(devices), c_.software.host.collective};
    if (step.traffic != Step::Traffic::even)
        c_.traffic_matrices->apply(work, step, static_cast<int>(devices.size()), type, draw);
    return work;
}

std::vector<PreparedStep> PreparedLayers::prepare(int node, int draw, Pass pass, int slice, bool selective) {
    std::vector<PreparedStep> prepared;
    std::vector<Step> run;
    const auto flush = [&] {
        prepare_kernels(run, prepared);
        run.clear();
    };
    const int type = c_.model.nodes[static_cast<std::size_t>(node)].type;
    const models::LocalShape shape = c_.shape_of(node, draw, slice);
    for (const Step& step :
         layer_steps(c_.model.layer(node), shape, c_.software, c_.plan.parallel, pass, selective)) {
        if (step.kind == Step::Kind::kernel) {
            run.push_back(step);
            continue;
        }
        flush();
        PreparedStep one{.kind = step.kind, .role = step.role};
        if (step.kind == Step::Kind::collective) {
            one.work = c_.interner.work(layer_collective(step, type, draw));
            one.name = c_.interner.name(name_of(step));
            one.parts.push_back({step.op, step.part});
        }
        prepared.push_back(one);
    }
    flush();
    return prepared;
}

/// One task for all of them, or one each.
void PreparedLayers::prepare_kernels(const std::vector<Step>& run, std::vector<PreparedStep>& prepared) {
    bool begins = true;
    KernelSequence sequence;
    std::vector<OperatorPart> parts;
    for (const Step& step : run) {
        sequence.kernels.push_back(step.kernel);
        if (step.part != Part::none) parts.push_back({step.op, step.part});
        if (!c_.options.kernel_granularity && &step != &run.back()) continue;
        prepared.push_back({.work = c_.interner.work(std::exchange(sequence, {})),
                            .gated = std::exchange(begins, false),
                            .parts = std::exchange(parts, {})});
    }
}

}  // namespace orrery::parallel
