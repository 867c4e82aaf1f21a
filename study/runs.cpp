#include "study/runs.hpp"

#include <fmt/format.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <system_error>
#include <thread>
#include <utility>

#include "core/error.hpp"
#include "models/graph.hpp"
#include "models/zoo.hpp"
#include "schedules/schedule.hpp"
#include "sim/metrics/memory.hpp"
#include "study/shared_inputs.hpp"
#include "study/simulate.hpp"

namespace orrery::study {
namespace {

/// vTrain's single-node table is not a list of measured steps: to 0.05 %, every row is the same linear
/// function of micro-batches x layers, micro-batches and layers, over all pipeline degrees; the logits cost
/// three times as much where the vocabulary of 50,257 is not divided; a pipeline hop costs 2 x activation /
/// (800 Gb/s / 4) inside a node too; and recomputation, on by default in its configurations, takes no time.
/// All four are what vTrain's src/predictor.py makes of layers profiled one by one, so that is what these
/// rows are simulated as.
constexpr std::string_view kComposed = "ground_truth_single";

/// Which software profile a row's `software` (notes, source) mean: the first entry whose words all occur.
struct SoftwareRule {
    std::string_view software;
    std::string_view notes;
    std::string_view profile;
    std::string_view source = "";
};
constexpr std::array kSoftware{
    SoftwareRule{"Megatron-LM 2021", "", "megatron-lm-2021"},
    SoftwareRule{"Megatron-LM (Selene)", "", "megatron-lm-2022"},
    SoftwareRule{"Megatron-LM (zero bubble)", "", "megatron-zero-bubble"},
    SoftwareRule{"Megatron-LM (Seq1F1B)", "", "megatron-seq1f1b"},
    SoftwareRule{"Megatron-DeepSpeed", "", "vtrain-profile", kComposed},
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
    LargestValue{"cp", 1'000'000},           LargestValue{"ep", 1'000'000},
    LargestValue{"experts", 100'000},        LargestValue{"top_k", 100'000},
    LargestValue{"dp", 1'000'000},           LargestValue{"vpp", 1'024},
    LargestValue{"slices", 1'024},           LargestValue{"micro_batch", 100'000},
    LargestValue{"microbatches", 1'000'000},
};
constexpr long long kLargestOther = 1'000'000'000;
constexpr double kGibibyte = 1024.0 * 1024.0 * 1024.0;

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
        run.measured_peak_bytes = table_.number(row_, "memory_gib").value_or(0) * kGibibyte;
        run.steps_overlap = cell("steps_overlap") == "1";
        if (!cell("schedule").empty()) run.setting = setting(run.experiment);
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
        if (contains(cell("notes"), "async TP"))
            throw Stop{"asynchronous tensor parallelism is not modelled yet"};
    }

    [[nodiscard]] bool composed() const { return contains(cell("source"), kComposed); }

    [[nodiscard]] Experiment experiment() const {
        Experiment e;
        e.name = cell("id");
        e.source = cell("source");
        e.plan.software = software();
        e.model = model();
        e.plan.parallel = parallelism();
        e.plan.training = training(e.plan.parallel);
        schedule(e.plan);
        e.model.seq_length = std::max(e.model.seq_length, e.plan.training.seq_length);
        e.cluster = cluster();
        e.calibration = e.cluster.node.gpu.name;
        e.granularity = Granularity::layer;
        return e;
    }

    /// The row's pipeline schedule, where it names one of `orrery list schedules`.
    void schedule(parallel::Plan& plan) const {
        plan.schedule = plan.parallel.vpp > 1 ? "interleaved-1f1b" : "1f1b";
        if (cell("schedule").empty()) return;
        plan.schedule = cell("schedule");
        for (const schedules::ScheduleEntry& entry : schedules::registry()) {
            if (entry.name != plan.schedule) continue;
            if (cell("vpp").empty()) plan.parallel.vpp = entry.default_chunks;
            plan.parallel.overlap_p2p = !entry.sends_block;
        }
        plan.schedule_memory_limit = table_.number(row_, "schedule_memory_limit");
        plan.slices = static_cast<int>(integer("slices", 1));
        plan.slice_lengths = slice_lengths();
    }

    /// "1152+1024+1024+896"
    [[nodiscard]] std::vector<std::int64_t> slice_lengths() const {
        std::vector<std::int64_t> lengths;
        const std::string& text = cell("slice_lengths");
        const char* const end = text.data() + text.size();
        for (const char* at = text.data(); at < end;) {
            std::int64_t length = 0;
            const auto [next, error] = std::from_chars(at, end, length);
            const bool separated = next == end || (*next == '+' && next + 1 != end);
            if (error != std::errc{} || length < 1 || !separated) {
                throw InputError(table_.where(row_), "slice_lengths",
                                 fmt::format("expected lengths as 128+64, got '{}'", text));
            }
            lengths.push_back(length);
            at = next == end ? end : next + 1;
        }
        return lengths;
    }

    /// What runs that differ in their schedule have in common.
    [[nodiscard]] std::string setting(const Experiment& e) const {
        const parallel::Parallelism& p = e.plan.parallel;
        return fmt::format("{}, {} GPUs, tp {}, m {}, {} tokens; {}", e.model.name, p.gpus(), p.tp,
                           e.plan.training.micro_batches(p), e.plan.training.seq_length,
                           source_group(cell("source")));
    }

    [[nodiscard]] std::string software() const {
        for (const SoftwareRule& rule : kSoftware) {
            if (contains(cell("software"), rule.software) && contains(cell("notes"), rule.notes) &&
                contains(cell("source"), rule.source)) {
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

    /// A model of the zoo, trimmed to the row's layers: the table has no columns for latent attention, nor
    /// for the size of an expert.
    [[nodiscard]] models::TransformerShape model_with_experts() const {
        for (const std::string_view name : {"deepseek-v3", "deepseek-v2"}) {
            if (!contains(cell("model"), name)) continue;
            models::TransformerShape m = models::load_transformer(std::string(name));
            const bool same = m.hidden == required("hidden") && m.heads == required("heads") &&
                              m.experts.count == integer("experts", 0) &&
                              m.experts.top_k == integer("top_k", 0) && m.vocab == required("vocab");
            if (!same) break;
            m.name = cell("model");
            m.layers = required("layers");
            m.seq_length = required("seq_length");
            m.predicted_ahead = 0;
            if (contains(cell("notes"), "1 dense layer")) m.experts.first_dense = 1;
            return m;
        }
        throw Stop{"the row does not describe its experts"};
    }

    [[nodiscard]] models::TransformerShape model() const {
        if (integer("experts", 0) > 0) return model_with_experts();
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
        if (composed() || contains(cell("software"), "zero bubble")) m.tied_embeddings = false;
        m.dropout = llama || mpt ? 0 : 0.1;
        return m;
    }

    [[nodiscard]] parallel::Parallelism parallelism() const {
        parallel::Parallelism p;
        p.tp = static_cast<int>(integer("tp", 1));
        p.pp = static_cast<int>(integer("pp", 1));
        p.vpp = static_cast<int>(integer("vpp", 1));
        p.cp = static_cast<int>(integer("cp", 1));
        p.ep = static_cast<int>(integer("ep", 1));
        // SimuMax's notes name Ulysses; torchtitan gathers keys and values unless told otherwise.
        p.cp_scheme = contains(cell("notes"), "cp_comm=a2a")     ? parallel::ContextScheme::ulysses
                      : contains(cell("software"), "torchtitan") ? parallel::ContextScheme::all_gather
                                                                 : parallel::ContextScheme::ring;
        const long long model_parallel = std::max(1LL, 1LL * p.tp * p.pp * p.cp);
        p.dp = static_cast<int>(integer("dp", required("gpus") / model_parallel));
        const bool positive = p.tp >= 1 && p.pp >= 1 && p.vpp >= 1 && p.cp >= 1 && p.ep >= 1 && p.dp >= 1;
        if (!positive || p.gpus() != required("gpus")) {
            throw Stop{"tp x pp x cp x dp is not the number of GPUs"};
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
            t.recompute = composed() ? parallel::RecomputePolicy::none : parallel::RecomputePolicy::full;
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

namespace {

/// The row's prediction beside what was measured. Throws as reading, checking and simulating do.
report::ValidatedRun predict(const RecordedRun& run) {
    const Experiment& e = run.experiment;
    check_experiment(e);
    report::ValidatedRun out{run.id, run.source, e.model.name, e.plan.parallel.gpus()};
    out.measured_step_time_s = run.measured_step_time_s;
    out.tokens =
        static_cast<double>(e.plan.training.global_batch) * static_cast<double>(e.plan.training.seq_length);
    if (!run.setting.empty()) out.schedule = e.plan.schedule;
    out.setting = run.setting;
    const Simulation s = simulate(e);
    out.predicted_step_time_s =
        run.steps_overlap ? longest_span(s.lowered.program, s.timeline) : s.step_time_s();
    if (run.measured_peak_bytes > 0) {
        out.measured_peak_bytes = run.measured_peak_bytes;
        out.predicted_peak_bytes = sim::measure_memory(s.lowered.program, s.timeline).peak_bytes;
    }
    return out;
}

}  // namespace

report::Validation validate_runs(const csv::Table& table, int jobs) {
    struct Outcome {
        report::ValidatedRun run;
        std::string reason;
    };
    std::vector<Outcome> outcomes(table.rows.size());
    const auto one = [&](std::size_t i) {
        Outcome& out = outcomes[i];
        out.run.id = table.cell(table.rows[i], "id");
        out.run.source = source_group(table.cell(table.rows[i], "source"));
        try {
            auto interpreted = interpret(table, table.rows[i]);
            if (const auto* skipped = std::get_if<Skipped>(&interpreted)) {
                out.reason = skipped->reason;
                return;
            }
            const RecordedRun& run = std::get<RecordedRun>(interpreted);
            out.run.id = run.id;
            out.run.source = run.source;
            const std::vector<std::string>& fitted = shared_calibration(run.experiment.calibration)->runs;
            if (std::find(fitted.begin(), fitted.end(), run.id) != fitted.end()) {
                out.reason = "its calibration was fitted to it";
                return;
            }
            out.run = predict(run);
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
    for (Outcome& out : outcomes) {
        if (out.reason.empty()) {
            validation.rows.push_back(std::move(out.run));
        } else {
            validation.skipped.push_back({out.run.id, out.run.source, out.reason});
        }
    }
    return validation;
}

}  // namespace orrery::study
