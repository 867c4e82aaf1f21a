// tests/study/random_experiment.hpp
//
// Small legal experiments drawn at random, over every scheme that changes a program's shape.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <random>
#include <string>

#include "core/error.hpp"
#include "study/experiment.hpp"

namespace orrery::study {

inline int draw(std::mt19937& random, std::initializer_list<int> from) {
    std::uniform_int_distribution<std::size_t> index(0, from.size() - 1);
    return *(from.begin() + index(random));
}

inline std::string draw_name(std::mt19937& random, std::initializer_list<const char*> from) {
    std::uniform_int_distribution<std::size_t> index(0, from.size() - 1);
    return *(from.begin() + index(random));
}

/// The YAML of one draw; not always legal.
inline std::string random_yaml(std::mt19937& random) {
    const int tp = draw(random, {1, 2, 4});
    const int pp = draw(random, {1, 2, 3, 4});
    const int dp = draw(random, {1, 2, 4});
    const int vpp = pp > 1 ? draw(random, {1, 1, 2, 3}) : 1;
    const int layers = pp * vpp * draw(random, {1, 2}) + (vpp == 1 ? draw(random, {0, 0, 1}) : 0);
    const std::string sharding =
        dp > 1 ? draw_name(random, {"none", "zero-1", "zero-2", "fsdp", "hsdp"}) : "none";
    const std::string schedule = vpp > 1 ? "interleaved-1f1b" : draw_name(random, {"1f1b", "gpipe"});
    const std::string family = draw_name(random, {"gpt", "llama"});
    return fmt::format(R"(
model: {{family: {}, layers: {}, hidden: 512, ffn_hidden: 1536, heads: 8, vocab: 2048, seq_length: 256}}
cluster: {{node: dgx-a100, gpus: {}, nodes: {}}}
parallel: {{tp: {}, pp: {}, dp: {}, sequence_parallel: {}, sharding: {}, overlap_p2p: {}, overlap_grad_reduce: {}}}
schedule: {{name: {}, vpp: {}}}
training: {{global_batch: {}, micro_batch: {}, recompute: {{policy: {}, method: {}, layers: 1}}}}
software: {}
)",
                       family, layers, tp * pp * dp, tp * pp * dp > 8 ? tp * pp * dp / 4 : 1, tp, pp, dp,
                       tp > 1 && draw(random, {0, 1}) == 1, sharding, draw(random, {0, 1}) == 1,
                       draw(random, {0, 1}) == 1, schedule, vpp, 2 * dp * pp * draw(random, {1, 2}),
                       draw(random, {1, 2}), draw_name(random, {"none", "selective", "full"}),
                       draw_name(random, {"uniform", "block"}),
                       draw_name(random, {"megatron-core", "megatron-lm-2021", "megatron-lm-2022",
                                          "megatron-deepspeed", "torchtitan"}));
}

/// The first legal draw. `count` counts the draws, so that a test can say which one failed.
inline Experiment random_experiment(std::mt19937& random) {
    while (true) {
        const std::string yaml = random_yaml(random);
        try {
            Experiment experiment = parse_experiment(yaml, "random.yaml");
            experiment.description = yaml;
            return experiment;
        } catch (const InputError&) {  // an illegal combination: draw again
        }
    }
}

}  // namespace orrery::study
