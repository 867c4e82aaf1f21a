// tests/parallel/random_towers.hpp
//
// Tiny models of several towers, drawn at random, on plans of one GPU a stage.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "parallel/branch_partition.hpp"
#include "parallel/pipeline_shape.hpp"
#include "random_lowering.hpp"

namespace orrery::parallel {

inline models::TransformerShape tower_shape(std::mt19937& random, const std::string& name, int layers) {
    models::TransformerShape tower = tiny_shape(layers, false);
    tower.name = name;
    tower.tied_embeddings = false;
    tower.hidden = 32 * pick(random, 1, 3);
    tower.head_dim = tower.hidden / tower.heads;
    tower.ffn_hidden = 4 * tower.hidden;
    tower.seq_length = 8 * pick(random, 1, 4);
    if (pick(random, 0, 1) == 0) {
        tower.causal = false;
        tower.patches.image = 8 * pick(random, 1, 3);
        tower.patches.patch = 4;
        tower.patches.class_token = pick(random, 0, 1) == 0;
        tower.seq_length = tower.patches.tokens();
    }
    return tower;
}

/// Towers of so many layers each and a trunk of `trunk` layers; 0: a contrastive loss.
inline models::TransformerShape towers_shape(std::mt19937& random, const std::vector<int>& layers,
                                             int trunk) {
    models::TransformerShape shape = tiny_shape(trunk, false);
    shape.name = "towers";
    shape.tied_embeddings = false;
    shape.seq_length = 0;
    for (const int count : layers) {
        shape.towers.push_back(tower_shape(random, fmt::format("tower{}", shape.towers.size()), count));
        shape.seq_length += shape.towers.back().seq_length;
    }
    if (trunk > 0) return shape;
    shape.fusion = models::FusionKind::contrastive;
    shape.embedding_width = 16;
    shape.hidden = shape.heads = shape.ffn_hidden = shape.vocab = 0;
    return shape;
}

inline bool on_graph(const Case& one) {
    return runs_on_graph(one.plan.schedule) && one.plan.parallel.pp > 1;
}

/// A legal case: schedule, plan and model drawn. `bare`: nothing recomputed, no other dimension.
inline Case draw_towers(std::mt19937& random, const std::string& schedule, bool contrastive, bool bare) {
    std::vector<int> layers;
    const int towers = contrastive ? 2 : pick(random, 2, 4);
    for (int i = 0; i < towers; ++i) layers.push_back(pick(random, 1, 4));
    Case one;
    one.plan.schedule = schedule;
    one.plan.parallel.overlap_p2p = true;
    one.plan.training.global_batch = pick(random, 1, 10);
    if (!bare) draw_other_dimensions(random, one.plan);
    if (contrastive) one.plan.parallel.sequence_parallel = false;
    one.model = models::build_transformer(towers_shape(random, layers, contrastive ? 0 : pick(random, 1, 3)));
    if (one.plan.parallel.sequence_parallel) {
        for (const models::Layer& layer : one.model.types)
            if (layer.tokens % one.plan.parallel.tp != 0) one.plan.parallel.sequence_parallel = false;
    }
    const int branches = contrastive ? 2 : towers + 1;
    const int least = runs_on_graph(schedule) ? branches : 1;
    one.plan.parallel.pp = pick(random, least, std::min<int>(8, static_cast<int>(one.model.shape.blocks())));
    one.software = models::load_software(one.plan.software);
    one.text = text_of(one.plan, one.model) + fmt::format(" towers={}", fmt::join(layers, ","));
    one.schedule = make_plan_schedule(one.plan, one.model);
    return one;
}

template <class Visit>
void for_every_branched_case(unsigned seed, int cases, bool bare, Visit visit) {
    std::mt19937 random(seed);
    for (const char* schedule : {"graphpipe", "distmm", "1f1b", "gpipe", "zb-h1"}) {
        for (int i = 0; i < cases; ++i) {
            const bool batch = std::string(schedule) == "distmm" || std::string(schedule) == "gpipe";
            visit(draw_towers(random, schedule, batch && i % 2 == 0, bare));
            if (testing::Test::HasFailure()) return;
        }
    }
}

}  // namespace orrery::parallel
