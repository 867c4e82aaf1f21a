#include "study/runs.hpp"

#include <fmt/format.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <thread>
#include <utility>

#include "core/error.hpp"
#include "models/graph.hpp"
#include "study/simulate.hpp"

namespace orrery::study {
namespace {

/// Which software profile a row's `software` (and notes) mean: the first entry whose words all occur.
struct SoftwareRule {
    std::string_view software;
    std::string_view notes;
    std::string_view profile;
};
constexpr std::array kSoftware{
    SoftwareRule{"Megatron-LM 2021", "", "megatron-lm-2021"},
    SoftwareRule{"Megatron-LM (Selene)", "", "megatron-lm-2022"},
    SoftwareRule{"Megatron-DeepSpeed", "", "megatron-deepspeed"},
    SoftwareRule{"Composer", "", "llm-foundry"},
    SoftwareRule{"torchtitan", "compile", "torchtitan-compile"},
    SoftwareRule{"torchtitan", "", "torchtitan"},
    SoftwareRule{"", "", "megatron-core"},
};

/// Which node a GPU stood in; the operator's own cluster where it is known.
struct NodeRule {
    std::string_view gpu;
    std::string_view source;
    std::string_view node;
};
constexpr std::array kNodes{
    NodeRule{"a100-sxm-80g", "vTrain", "hgx-a100-800g"},
    NodeRule{"a100-sxm-80g", "llm-foundry", "hgx-a100-roce"},
    NodeRule{"a100-sxm-80g", "", "dgx-a100"},
    NodeRule{"a100-sxm-40g", "llm-foundry", "hgx-a100-40g-roce"},
    NodeRule{"a100-sxm-40g", "", "dgx-a100-40g"},
    NodeRule{"h100-sxm-80g", "llm-foundry", "hgx-h100-roce"},
    NodeRule{"h100-sxm-80g", "", "dgx-h100"},
    NodeRule{"h100-hbm2e-96g-500w", "", "grand-teton-h100"},
    NodeRule{"h200", "", "hgx-h200"},
    NodeRule{"b200", "", "dgx-b200"},
};

/// The largest value a column may hold: what an experiment's file allows too. Products stay exact.
struct LargestValue {
    std::string_view column;
    long long value;
};
constexpr std::array kLargest{
    LargestValue{"layers", 100'000},         LargestValue{"hidden", 1'000'000},
    LargestValue{"ffn_hidden", 10'000'000},  LargestValue{"heads", 100'000},
    LargestValue{"kv_heads", 100'000},       LargestValue{"vocab", 100'000'000},
    LargestValue{"seq_length", 100'000'000}, LargestValue{"gpus", 1'000'000},
    LargestValue{"tp", 1'000'000},           LargestValue{"pp", 4'096},
    LargestValue{"dp", 1'000'000},           LargestValue{"vpp", 1'024},
    LargestValue{"micro_batch", 100'000},    LargestValue{"microbatches", 1'000'000},
};
constexpr long long kLargestOther = 1'000'000'000;

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

/// Thrown inside `interpret` only, where a row cannot go on.
struct Stop {
    std::string reason;
};

/// A row under interpretation.
class Interpreter {
  public:
    Interpreter(const csv::Table& table, const csv::Row& row) : table_(table), row_(row) {}

    RecordedRun run() {
        refuse_what_later_versions_bring();
        RecordedRun run;
        run.id = cell("id").empty() ? fmt::format("line {}", row_.line) : cell("id");
        run.source = source_group(cell("source"));
        run.experiment = experiment();
        run.measured_step_time_s = measured(run.experiment);
        return run;
    }

  private:
    [[nodiscard]] const std::string& cell(std::string_view name) const { return table_.cell(row_, name); }
    /// The cell, or none where it is empty. Throws InputError when it is out of range.
    [[nodiscard]] std::optional<long long> given(std::string_view name) const {
        const auto value = table_.integer(row_, name);
        if (!value) return std::nullopt;
        const auto* largest = std::find_if(kLargest.begin(), kLargest.end(),
                                           [name](const LargestValue& each) { return each.column == name; });
        const long long most = largest == kLargest.end() ? kLargestOther : largest->value;
        if (*value < 0 || *value > most) {
            throw InputError(table_.where(row_), std::string(name),
                             fmt::format("expected 0 to {}, got {}", most, *value));
        }
        return value;
    }
    [[nodiscard]] long long integer(std::string_view name, long long otherwise) const {
        return given(name).value_or(otherwise);
    }
    [[nodiscard]] long long required(std::string_view name) const {
        const auto value = given(name);
        if (!value || *value <= 0) throw Stop{fmt::format("the row does not say its {}", name)};
        return *value;
    }

    void refuse_what_later_versions_bring() const {
        if (cell("complete") == "0") throw Stop{"the row leaves something to guess (complete = 0)"};
        if (integer("experts", 0) > 0) throw Stop{"mixture of experts is not modelled yet"};
        if (integer("cp", 1) > 1) throw Stop{"context parallelism is not modelled yet"};
        if (contains(cell("notes"), "async TP"))
            throw Stop{"asynchronous tensor parallelism is not modelled yet"};
    }

    [[nodiscard]] Experiment experiment() const {
        Experiment e;
        e.name = cell("id");
        e.source = cell("source");
        e.plan.software = software();
        e.model = model();
        e.plan.parallel = parallelism();
        e.plan.training = training(e.plan.parallel);
        e.plan.schedule = e.plan.parallel.vpp > 1 ? "interleaved-1f1b" : "1f1b";
        e.model.seq_length = std::max(e.model.seq_length, e.plan.training.seq_length);
        e.cluster = cluster();
        e.calibration = e.cluster.node.gpu.name;
        e.granularity = Granularity::layer;
        return e;
    }

    [[nodiscard]] std::string software() const {
        for (const SoftwareRule& rule : kSoftware) {
            if (contains(cell("software"), rule.software) && contains(cell("notes"), rule.notes)) {
                return std::string(rule.profile);
            }
        }
        return "megatron-core";
    }

    [[nodiscard]] topologies::Cluster cluster() const {
        const long long gpus = required("gpus");
        const long long per_node = std::max(1LL, std::min(integer("gpus_per_node", 8), gpus));
        for (const NodeRule& rule : kNodes) {
            if (cell("gpu") != rule.gpu || !contains(cell("source"), rule.source)) continue;
            if (gpus % per_node != 0) throw Stop{"the GPUs do not fill their nodes"};
            topologies::Cluster cluster =
                topologies::make_cluster(std::string(rule.node), static_cast<int>(gpus / per_node));
            if (per_node > cluster.node.gpus) throw Stop{"more GPUs a node than the cluster model has"};
            cluster.node.gpus = static_cast<int>(per_node);
            return cluster;
        }
        throw Stop{fmt::format("no cluster model for GPU '{}'", cell("gpu"))};
    }

    [[nodiscard]] models::TransformerShape model() const {
        models::TransformerShape m;
        m.name = cell("model");
        const bool llama = contains(m.name, "lama") || contains(cell("software"), "torchtitan");
        const bool mpt = contains(cell("software"), "Composer");
        m.family = llama ? "llama" : "gpt";
        m.layers = required("layers");
        m.hidden = required("hidden");
        m.heads = required("heads");
        m.kv_heads = integer("kv_heads", m.heads);
        if (m.kv_heads == 0 || m.hidden % m.heads != 0 || m.heads % m.kv_heads != 0) {
            throw Stop{"the heads do not divide the hidden size, or each other"};
        }
        m.head_dim = m.hidden / m.heads;
        m.ffn_hidden = integer("ffn_hidden", 4 * m.hidden);
        m.vocab = integer("vocab", 51200);  // Megatron's padded GPT-2 vocabulary, where a row does not say
        m.seq_length = required("seq_length");
        if (llama) {
            m.position = models::PositionKind::rotary;
            m.norm = models::NormKind::rms_norm;
            m.activation = models::ActivationKind::swiglu;
            m.bias = false;
            m.tied_embeddings = false;
        }
        m.dropout = llama || mpt ? 0 : 0.1;
        return m;
    }

    [[nodiscard]] parallel::Parallelism parallelism() const {
        parallel::Parallelism p;
        p.tp = static_cast<int>(integer("tp", 1));
        p.pp = static_cast<int>(integer("pp", 1));
        p.vpp = static_cast<int>(integer("vpp", 1));
        const long long model_parallel = std::max(1LL, 1LL * p.tp * p.pp);
        p.dp = static_cast<int>(integer("dp", required("gpus") / model_parallel));
        if (p.tp < 1 || p.pp < 1 || p.vpp < 1 || p.dp < 1 || p.gpus() != required("gpus")) {
            throw Stop{"tp x pp x dp is not the number of GPUs"};
        }
        const std::string& sharding = cell("dp_sharding");
        if (contains(sharding, "HYBRID"))
            p.sharding = parallel::DataSharding::hybrid;
        else if (contains(sharding, "SHARD_GRAD_OP") || contains(sharding, "zero2"))
            p.sharding = parallel::DataSharding::gradients;
        else if (contains(sharding, "fsdp") || contains(sharding, "zero3"))
            p.sharding = parallel::DataSharding::full;
        else if (contains(sharding, "zero1") || contains(sharding, "distributed optimizer"))
            p.sharding = parallel::DataSharding::optimizer;
        else if (!sharding.empty() && sharding != "none" && sharding != "ddp") {
            throw Stop{fmt::format("unknown data sharding '{}'", sharding)};
        }
        if (p.sharding == parallel::DataSharding::hybrid)
            p.sharding_group = static_cast<int>(integer("gpus_per_node", 8));
        p.sequence_parallel =
            p.tp > 1 && (cell("sequence_parallel") == "1" || contains(cell("software"), "torchtitan"));
        if (contains(cell("notes"), "no comm overlap"))
            p.overlap_grad_reduce = p.overlap_param_gather = false;
        return p;
    }

    [[nodiscard]] parallel::Training training(const parallel::Parallelism& p) const {
        parallel::Training t;
        t.seq_length = required("seq_length");
        const auto micro = given("micro_batch");
        const auto count = given("microbatches");
        const auto global = given("global_batch");
        if (micro && count) {
            t.micro_batch = *micro;
            t.global_batch = *micro * *count * p.dp;
        } else if (micro && global) {
            t.micro_batch = *micro;
            t.global_batch = *global;
        } else {
            throw Stop{"the row does not say its micro-batch"};
        }
        if (t.micro_batch < 1 || t.global_batch < 1 || t.global_batch % (t.micro_batch * p.dp) != 0) {
            throw Stop{"the batch does not divide into micro-batches"};
        }
        const std::string& recompute = cell("recompute");
        if (recompute == "full")
            t.recompute = parallel::RecomputePolicy::full;
        else if (contains(recompute, "selective"))
            t.recompute = parallel::RecomputePolicy::selective;
        else if (!recompute.empty() && recompute != "none")
            throw Stop{fmt::format("unknown recomputation '{}'", recompute)};
        t.precision = precision();
        if (contains(cell("notes"), "MP mode PURE")) t.reduce_in_compute_precision = true;
        return t;
    }

    [[nodiscard]] Precision precision() const {
        const std::string& name = cell("precision");
        if (name.empty() || name == "bf16") return Precision::bf16;
        if (name == "fp16") return Precision::fp16;
        if (name == "fp32") return Precision::fp32;
        if (name == "tf32") return Precision::tf32;
        if (contains(name, "fp8")) return Precision::fp8;
        throw Stop{fmt::format("precision '{}' is not modelled yet", name)};
    }

    /// Step time as recorded, or from tokens per second, or from FLOP/s by the source's own formula.
    [[nodiscard]] double measured(const Experiment& e) const {
        const parallel::Training& t = e.plan.training;
        const double tokens = static_cast<double>(t.global_batch) * static_cast<double>(t.seq_length);
        const double gpus = static_cast<double>(required("gpus"));
        const auto positive = [&](std::string_view name) {
            const auto value = table_.number(row_, name);
            return value && *value > 0 ? value : std::nullopt;
        };
        if (const auto seconds = positive("step_time_s")) return *seconds;
        if (const auto rate = positive("tokens_per_s_per_gpu")) return tokens / (*rate * gpus);
        if (const auto tflops = positive("tflops_per_gpu")) {
            const models::Model model = models::build_transformer(e.model);
            const bool causal_halved = contains(cell("notes"), "causal attention halved");
            double flops = models::model_flops_per_sequence(model, t.seq_length, causal_halved);
            if (contains(cell("notes"), "counts the recomputed forward")) {
                flops += models::block_forward_flops(model, t.seq_length, causal_halved);
            }
            return flops * static_cast<double>(t.global_batch) / (*tflops * 1e12 * gpus);
        }
        throw Stop{"the row records no time or throughput"};
    }

    const csv::Table& table_;
    const csv::Row& row_;
};

}  // namespace

std::string source_group(const std::string& source) {
    std::string group = source.substr(0, source.find(';'));
    const std::size_t line = group.rfind(" line ");
    if (line != std::string::npos && group.find_first_not_of("0123456789", line + 6) == std::string::npos) {
        group.erase(line);
    }
    for (const std::string_view one : {" case ", " Preview row "}) {
        const std::size_t at = group.rfind(one);
        if (at != std::string::npos) group.erase(at);
    }
    return group;
}

std::variant<RecordedRun, Skipped> interpret(const csv::Table& table, const csv::Row& row) {
    try {
        return Interpreter(table, row).run();
    } catch (const Stop& stop) {
        return Skipped{stop.reason};
    }
}

report::Validation validate_runs(const csv::Table& table, int jobs) {
    struct Outcome {
        std::string id, source, model, reason;
        long long gpus = 0;
        double predicted = 0, measured = 0;
    };
    std::vector<Outcome> outcomes(table.rows.size());
    const auto one = [&](std::size_t i) {
        Outcome& out = outcomes[i];
        out.id = table.cell(table.rows[i], "id");
        out.source = source_group(table.cell(table.rows[i], "source"));
        try {
            auto interpreted = interpret(table, table.rows[i]);
            if (const auto* skipped = std::get_if<Skipped>(&interpreted)) {
                out.reason = skipped->reason;
                return;
            }
            const RecordedRun& run = std::get<RecordedRun>(interpreted);
            out = {run.id,
                   run.source,
                   run.experiment.model.name,
                   "",
                   run.experiment.plan.parallel.gpus(),
                   0,
                   run.measured_step_time_s};
            check_experiment(run.experiment);
            out.predicted = step_time(run.experiment);
        } catch (const InputError& error) {
            // A cell of the table, or a key of the experiment that the row describes.
            const bool cell = error.where.file == table.file;
            out.reason =
                (cell ? "a cell cannot be read: column " : "the experiment is not legal: ") + error.key;
        } catch (const ExperimentError& error) {
            out.reason = error.what();
        } catch (const SimulationError&) {
            out.reason = "the simulation cannot proceed";
        }
    };
    const int threads = jobs > 0 ? jobs : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(threads));
    tbb::parallel_for(std::size_t{0}, outcomes.size(), one);

    report::Validation validation;
    for (const Outcome& out : outcomes) {
        if (out.reason.empty()) {
            validation.rows.push_back({out.id, out.source, out.model, out.gpus, out.predicted, out.measured});
        } else {
            validation.skipped.push_back({out.id, out.source, out.reason});
        }
    }
    return validation;
}

}  // namespace orrery::study
