// The calibration file: one table a struct reads and checks it, one function a struct writes it.
#include <algorithm>
#include <cstdio>
#include <string_view>
#include <utility>

#include "core/atomic_file.hpp"
#include "core/data_path.hpp"
#include "core/nearest_name.hpp"
#include "core/schema.hpp"
#include "sim/cost/calibration.hpp"

namespace orrery::sim {
namespace {

template <class E>
using Names = std::vector<std::pair<std::string, E>>;

const Names<Precision>& precision_names() {
    static const Names<Precision> names{{"bf16", Precision::bf16},
                                        {"fp16", Precision::fp16},
                                        {"fp8", Precision::fp8},
                                        {"tf32", Precision::tf32},
                                        {"fp32", Precision::fp32}};
    return names;
}

const Names<AttentionImplementation>& attention_names() {
    using enum AttentionImplementation;
    static const Names<AttentionImplementation> names{
        {"flash1", flash1}, {"flash2", flash2}, {"flash3", flash3}, {"cudnn", cudnn}, {"triton", triton}};
    return names;
}

const Names<MemoryFamily>& family_names() {
    using enum MemoryFamily;
    static const Names<MemoryFamily> names{{"elementwise", elementwise}, {"normalization", normalization},
                                           {"softmax", softmax},         {"gather", gather},
                                           {"optimizer", optimizer},     {"fill", fill}};
    return names;
}

template <class E>
const std::string& name_of(E value, const Names<E>& names) {
    const auto found = std::find_if(names.begin(), names.end(),
                                    [value](const auto& entry) { return entry.second == value; });
    return found == names.end() ? names.front().first : found->first;
}

// ---- reading ----

const schema::Table<Provenance>& provenance_table() {
    using Field = schema::Field<Provenance>;
    static const schema::Table<Provenance> table{
        "provenance",
        "Where a group of numbers comes from.",
        {Field::choice("kind", &Provenance::kind,
                       {{"measured", "measured"},
                        {"published", "published"},
                        {"derived", "derived"},
                        {"assumed", "assumed"}})
             .required()
             .describe("measured here, published by others, derived from a related GPU, or assumed for want "
                       "of a measurement"),
         Field::text("source", &Provenance::source)
             .required()
             .describe("machine, date and tool version, or the publication")}};
    return table;
}

const schema::Table<Range>& range_table() {
    using Field = schema::Field<Range>;
    static const schema::Table<Range> table{
        "range",
        "The sizes that the samples cover.",
        {Field::number("low", &Range::low).at_least(0).required().describe("smallest"),
         Field::number("high", &Range::high).at_least(0).required().describe("largest")}};
    return table;
}

const schema::Table<FitQuality>& quality_table() {
    using Field = schema::Field<FitQuality>;
    static const schema::Table<FitQuality> table{
        "quality",
        "Relative errors of time on the samples.",
        {Field::integer("samples", &FitQuality::samples).at_least(0).describe("samples fitted"),
         Field::number("median_error", &FitQuality::median_error).at_least(0).describe("half are nearer"),
         Field::number("p90_error", &FitQuality::p90_error).at_least(0).describe("nine in ten are nearer"),
         Field::number("worst_error", &FitQuality::worst_error).at_least(0).describe("the largest"),
         Field::text("worst_sample", &FitQuality::worst_sample).describe("and where"),
         Field::number("held_out_median", &FitQuality::held_out_median)
             .at_least(0)
             .describe("median on samples left out of the fit, by cross-validation"),
         Field::number("held_out_p90", &FitQuality::held_out_p90)
             .at_least(0)
             .describe("90th percentile there")}};
    return table;
}

const schema::Table<GemmTile>& tile_table() {
    using Field = schema::Field<GemmTile>;
    static const schema::Table<GemmTile> table{
        "tile",
        "A thread block's tile of the output.",
        {Field::integer("m", &GemmTile::m).at_least(8).at_most(1024).required().describe("rows"),
         Field::integer("n", &GemmTile::n).at_least(8).at_most(1024).required().describe("columns"),
         Field::number("efficiency", &GemmTile::efficiency)
             .above(0)
             .at_most(2)
             .required()
             .describe("fraction of the peak in a full wave")}};
    return table;
}

const schema::Table<GemmModel>& gemm_table() {
    using Field = schema::Field<GemmModel>;
    const auto layout = [](std::size_t i) {
        return [i](GemmModel & g) -> auto& {
            return g.layout.at(i);
        };
    };
    const auto unaligned = [](std::size_t i) {
        return [i](GemmModel & g) -> auto& {
            return g.unaligned.at(i);
        };
    };
    static const schema::Table<GemmModel> table{
        "gemm",
        "Dense matrix products of one precision.",
        {Field::list("tiles", &GemmModel::tiles, tile_table()).required().describe("tiles to choose from"),
         Field::number("prologue_k", &GemmModel::prologue_k)
             .at_least(0)
             .at_most(1e5)
             .describe("k steps lost per tile"),
         Field::number("sustained", &GemmModel::sustained)
             .above(0)
             .at_most(2)
             .describe("power limit, of peak"),
         Field::number("fixed_s", &GemmModel::fixed_s)
             .at_least(0)
             .at_most(1)
             .unit("s")
             .describe("start and end"),
         Field::number("bandwidth", &GemmModel::bandwidth).above(0).at_most(10).describe("operands, of peak"),
         Field::number("exposed_output", &GemmModel::exposed_output)
             .at_least(0)
             .at_most(100)
             .describe("share of the output's traffic that compute does not hide"),
         Field::number("layout_tn", layout(0)).above(0).at_most(100).describe("time multiplier"),
         Field::number("layout_nn", layout(1)).above(0).at_most(100).describe("time multiplier"),
         Field::number("layout_nt", layout(2)).above(0).at_most(100).describe("time multiplier"),
         Field::number("aligned_4", unaligned(0)).at_least(1).at_most(100).describe("multiples of 4 only"),
         Field::number("aligned_2", unaligned(1)).at_least(1).at_most(100).describe("multiples of 2 only"),
         Field::number("aligned_1", unaligned(2)).at_least(1).at_most(100).describe("odd dimensions"),
         Field::table("flops", &GemmModel::flops, range_table()).describe("range of the samples"),
         Field::table("quality", &GemmModel::quality, quality_table()).describe("how well it fits"),
         Field::table("provenance", &GemmModel::provenance, provenance_table()).required()}};
    return table;
}

const schema::Table<GroupedGemmModel>& grouped_table() {
    using Field = schema::Field<GroupedGemmModel>;
    static const schema::Table<GroupedGemmModel> table{
        "grouped_gemm",
        "Grouped matrix products (experts) of one precision.",
        {Field::number("slowdown", &GroupedGemmModel::slowdown)
             .above(0)
             .at_most(100)
             .describe("against dense"),
         Field::number("per_group_s", &GroupedGemmModel::per_group_s)
             .at_least(0)
             .at_most(1)
             .unit("s")
             .describe("scheduling of a group"),
         Field::number("bandwidth", &GroupedGemmModel::bandwidth)
             .above(0)
             .at_most(10)
             .describe("weights, of peak"),
         Field::table("flops", &GroupedGemmModel::flops, range_table()).describe("range of the samples"),
         Field::table("quality", &GroupedGemmModel::quality, quality_table()).describe("how well it fits"),
         Field::table("provenance", &GroupedGemmModel::provenance, provenance_table()).required()}};
    return table;
}

const schema::Table<AttentionModel>& attention_table() {
    using Field = schema::Field<AttentionModel>;
    static const schema::Table<AttentionModel> table{
        "attention",
        "Fused attention of one implementation, direction and head size.",
        {Field::choice("implementation", &AttentionModel::implementation, attention_names()).required(),
         Field::boolean("backward", &AttentionModel::backward).required().describe("direction"),
         Field::integer("head_dim", &AttentionModel::head_dim).at_least(1).at_most(4096).required(),
         Field::integer("rows", &AttentionModel::rows)
             .at_least(1)
             .at_most(4096)
             .describe("rows of a thread block"),
         Field::number("efficiency", &AttentionModel::efficiency)
             .above(0)
             .at_most(2)
             .required()
             .describe("of peak, in the inner loop"),
         Field::number("overhead", &AttentionModel::overhead)
             .at_least(0)
             .at_most(1e6)
             .describe("keys per row block"),
         Field::number("diagonal", &AttentionModel::diagonal)
             .at_least(0)
             .at_most(1e6)
             .describe("keys executed in vain at the diagonal"),
         Field::number("tail", &AttentionModel::tail).at_least(0).at_most(10).describe("uneven last wave"),
         Field::number("fixed_s", &AttentionModel::fixed_s)
             .at_least(0)
             .at_most(1)
             .unit("s")
             .describe("start and end"),
         Field::table("flops", &AttentionModel::flops, range_table()).describe("range of the samples"),
         Field::table("quality", &AttentionModel::quality, quality_table()).describe("how well it fits"),
         Field::table("provenance", &AttentionModel::provenance, provenance_table()).required()}};
    return table;
}

const schema::Table<MemoryModel>& memory_table() {
    using Field = schema::Field<MemoryModel>;
    static const schema::Table<MemoryModel> table{
        "memory",
        "Kernels that stream bytes through device memory.",
        {Field::number("fixed_s", &MemoryModel::fixed_s)
             .at_least(0)
             .at_most(1)
             .unit("s")
             .required()
             .describe("start and end"),
         Field::number("bandwidth", &MemoryModel::bandwidth)
             .above(0)
             .at_most(2)
             .required()
             .describe("of peak"),
         Field::table("bytes", &MemoryModel::bytes, range_table()).describe("range of the samples"),
         Field::table("quality", &MemoryModel::quality, quality_table()).describe("how well it fits"),
         Field::table("provenance", &MemoryModel::provenance, provenance_table()).required()}};
    return table;
}

const schema::Table<HostTime>& host_time_table() {
    using Field = schema::Field<HostTime>;
    static const schema::Table<HostTime> table{
        "host_time",
        "A time of the host and its published spread.",
        {Field::number("seconds", &HostTime::seconds).at_least(0).at_most(10).unit("s").required(),
         Field::number("low", &HostTime::low).at_least(0).at_most(10).unit("s"),
         Field::number("high", &HostTime::high).at_least(0).at_most(10).unit("s"),
         Field::table("provenance", &HostTime::provenance, provenance_table()).required()}};
    return table;
}

struct HostKey {
    const char* key;
    HostTime HostModel::*member;
};
constexpr std::array<HostKey, 7> kHostKeys{{{"forward_operator", &HostModel::forward_operator},
                                            {"backward_operator", &HostModel::backward_operator},
                                            {"optimizer_operator", &HostModel::optimizer_operator},
                                            {"collective", &HostModel::collective},
                                            {"point_to_point", &HostModel::point_to_point},
                                            {"graph_launch", &HostModel::graph_launch},
                                            {"kernel_launch", &HostModel::kernel_launch}}};

const schema::Table<HostModel>& host_table() {
    using Field = schema::Field<HostModel>;
    static const schema::Table<HostModel> table = [] {
        schema::Table<HostModel> made{"host", "What the host pays to issue work.", {}};
        for (const HostKey& key : kHostKeys) {
            made.fields.push_back(Field::table(key.key, key.member, host_time_table()).required());
        }
        return made;
    }();
    return table;
}

/// The file as written: precisions by name.
struct File {
    std::string gpu;
    std::string summary;
    std::map<std::string, GemmModel> gemm;
    std::map<std::string, GroupedGemmModel> grouped_gemm;
    std::vector<AttentionModel> attention;
    std::array<MemoryModel, kMemoryFamilies> memory;
    HostModel host;
};

const schema::Table<std::array<MemoryModel, kMemoryFamilies>>& families_table() {
    using Families = std::array<MemoryModel, kMemoryFamilies>;
    using Field = schema::Field<Families>;
    static const schema::Table<Families> table = [] {
        schema::Table<Families> made{"memory", "Memory-bound kernels by family.", {}};
        for (const auto& [name, family] : family_names()) {
            const auto index = static_cast<std::size_t>(family);
            made.fields.push_back(
                Field::table(
                    name, [index](Families & f) -> auto& { return f.at(index); }, memory_table())
                    .required());
        }
        return made;
    }();
    return table;
}

const schema::Table<File>& file_table() {
    using Field = schema::Field<File>;
    static const schema::Table<File> table{
        "calibration",
        "What one GPU's kernels cost.",
        {Field::text("gpu", &File::gpu).required().describe("name of a GPU of the topology zoo"),
         Field::text("summary", &File::summary).describe("for the reader"),
         Field::map("gemm", &File::gemm, gemm_table()).required().describe("by precision"),
         Field::map("grouped_gemm", &File::grouped_gemm, grouped_table()).describe("by precision"),
         Field::list("attention", &File::attention, attention_table()),
         Field::table("memory", &File::memory, families_table()).required(),
         Field::table("host", &File::host, host_table()).required()}};
    return table;
}

template <class Model>
std::map<Precision, Model> by_precision(std::map<std::string, Model> models, const yaml::Node* node,
                                        const std::string& section) {
    std::map<Precision, Model> out;
    for (auto& [name, model] : models) {
        const Names<Precision>& names = precision_names();
        const auto found = std::find_if(names.begin(), names.end(),
                                        [&name](const auto& entry) { return entry.first == name; });
        if (found == names.end()) {
            std::vector<std::string> known;
            for (const auto& entry : names) known.push_back(entry.first);
            const yaml::Node* child = node ? node->find(name) : nullptr;
            throw InputError(child ? child->key_where() : Location{}, section + "." + name,
                             unknown_name("precision", name, known));
        }
        out.emplace(found->second, std::move(model));
    }
    return out;
}

void check_gemm(const File& file, const yaml::Node& root) {
    const yaml::Node* section = root.find("gemm");
    if (file.gemm.empty()) {
        throw InputError(section ? section->where() : root.where(), "gemm",
                         "expected a model for at least one precision");
    }
    for (const auto& [name, model] : file.gemm) {
        if (!model.tiles.empty()) continue;
        const yaml::Node* child = section ? section->find(name) : nullptr;
        throw InputError(child ? child->where() : Location{}, "gemm." + name + ".tiles",
                         "expected at least one tile");
    }
}

// ---- writing ----

std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", value);
    return text;
}

std::string quoted(const std::string& words) {
    std::string out = "\"";
    for (const char c : words) {
        if (c == '"' || c == '\\') out += '\\';
        out += c == '\n' ? ' ' : c;
    }
    return out + "\"";
}

std::string provenance(const Provenance& p, const std::string& indent) {
    return indent + "provenance:\n" + indent + "  kind: " + p.kind + "\n" + indent +
           "  source: " + quoted(p.source) + "\n";
}

std::string range(const char* key, const Range& r, const std::string& indent) {
    if (r.high <= 0) return "";
    return indent + key + ": {low: " + number(r.low) + ", high: " + number(r.high) + "}\n";
}

std::string quality(const FitQuality& q, const std::string& indent) {
    if (q.samples == 0) return "";
    std::string out = indent + "quality:\n";
    out += indent + "  samples: " + std::to_string(q.samples) + "\n";
    out += indent + "  median_error: " + number(q.median_error) + "\n";
    out += indent + "  p90_error: " + number(q.p90_error) + "\n";
    out += indent + "  worst_error: " + number(q.worst_error) + "\n";
    out += indent + "  worst_sample: " + quoted(q.worst_sample) + "\n";
    if (q.held_out_median > 0) {
        out += indent + "  held_out_median: " + number(q.held_out_median) + "\n";
        out += indent + "  held_out_p90: " + number(q.held_out_p90) + "\n";
    }
    return out;
}

std::string write(const GemmModel& g) {
    const std::string in = "    ";
    std::string out = in + "tiles:\n";
    for (const GemmTile& tile : g.tiles) {
        out += in + "  - {m: " + std::to_string(tile.m) + ", n: " + std::to_string(tile.n) +
               ", efficiency: " + number(tile.efficiency) + "}\n";
    }
    const std::pair<const char*, double> numbers[] = {
        {"prologue_k", g.prologue_k},  {"sustained", g.sustained},           {"fixed_s", g.fixed_s},
        {"bandwidth", g.bandwidth},    {"exposed_output", g.exposed_output}, {"layout_tn", g.layout[0]},
        {"layout_nn", g.layout[1]},    {"layout_nt", g.layout[2]},           {"aligned_4", g.unaligned[0]},
        {"aligned_2", g.unaligned[1]}, {"aligned_1", g.unaligned[2]}};
    for (const auto& [key, value] : numbers) out += in + key + ": " + number(value) + "\n";
    return out + range("flops", g.flops, in) + quality(g.quality, in) + provenance(g.provenance, in);
}

std::string write(const GroupedGemmModel& g) {
    const std::string in = "    ";
    return in + "slowdown: " + number(g.slowdown) + "\n" + in + "per_group_s: " + number(g.per_group_s) +
           "\n" + in + "bandwidth: " + number(g.bandwidth) + "\n" + range("flops", g.flops, in) +
           quality(g.quality, in) + provenance(g.provenance, in);
}

std::string write(const AttentionModel& a) {
    const std::string in = "    ";
    std::string out = "  - implementation: " + name_of(a.implementation, attention_names()) + "\n";
    out += in + "backward: " + (a.backward ? "true" : "false") + "\n";
    out += in + "head_dim: " + std::to_string(a.head_dim) + "\n";
    out += in + "rows: " + std::to_string(a.rows) + "\n";
    const std::pair<const char*, double> numbers[] = {{"efficiency", a.efficiency},
                                                      {"overhead", a.overhead},
                                                      {"diagonal", a.diagonal},
                                                      {"tail", a.tail},
                                                      {"fixed_s", a.fixed_s}};
    for (const auto& [key, value] : numbers) out += in + key + ": " + number(value) + "\n";
    return out + range("flops", a.flops, in) + quality(a.quality, in) + provenance(a.provenance, in);
}

std::string write(const MemoryModel& m) {
    const std::string in = "    ";
    return in + "fixed_s: " + number(m.fixed_s) + "\n" + in + "bandwidth: " + number(m.bandwidth) + "\n" +
           range("bytes", m.bytes, in) + quality(m.quality, in) + provenance(m.provenance, in);
}

std::string write(const HostTime& h) {
    const std::string in = "    ";
    return in + "seconds: " + number(h.seconds) + "\n" + in + "low: " + number(h.low) + "\n" + in +
           "high: " + number(h.high) + "\n" + provenance(h.provenance, in);
}

template <class Model>
std::string write_section(const char* name, const std::map<Precision, Model>& models) {
    if (models.empty()) return "";
    std::string out = std::string(name) + ":\n";
    for (const auto& [precision, model] : models) {
        out += "  " + name_of(precision, precision_names()) + ":\n" + write(model);
    }
    return out;
}

}  // namespace

Calibration parse_calibration(const std::string& text, const std::string& file) {
    const yaml::Node root = yaml::parse(text, file);
    File read = schema::read(file_table(), root);
    check_gemm(read, root);
    Calibration out;
    out.gpu = std::move(read.gpu);
    out.summary = std::move(read.summary);
    out.gemm = by_precision(std::move(read.gemm), root.find("gemm"), "gemm");
    out.grouped_gemm = by_precision(std::move(read.grouped_gemm), root.find("grouped_gemm"), "grouped_gemm");
    out.attention = std::move(read.attention);
    out.memory = std::move(read.memory);
    out.host = std::move(read.host);
    return out;
}

Calibration load_calibration(const std::string& name_or_path) {
    const auto path = data_file("calibrations", name_or_path, "calibration");
    return parse_calibration(read_file(path, yaml::Limits{}.bytes), path.string());
}

const std::string& to_string(AttentionImplementation implementation) {
    static const std::string unfused = "unfused";
    if (implementation == AttentionImplementation::unfused) return unfused;
    return name_of(implementation, attention_names());
}

std::vector<std::string> calibration_names() {
    return data_names("calibrations");
}

std::string to_yaml(const Calibration& c) {
    std::string out = "gpu: " + c.gpu + "\nsummary: " + quoted(c.summary) + "\n";
    out += write_section("gemm", c.gemm) + write_section("grouped_gemm", c.grouped_gemm);
    if (!c.attention.empty()) out += "attention:\n";
    for (const AttentionModel& model : c.attention) out += write(model);
    out += "memory:\n";
    for (const auto& [name, family] : family_names()) {
        out += "  " + name + ":\n" + write(c.memory[static_cast<std::size_t>(family)]);
    }
    out += "host:\n";
    for (const HostKey& key : kHostKeys)
        out += "  " + std::string(key.key) + ":\n" + write(c.host.*key.member);
    return out;
}

}  // namespace orrery::sim
