// Reading the calibration file: one table a struct.
#include <algorithm>
#include <string>
#include <utility>

#include "core/atomic_file.hpp"
#include "core/data_path.hpp"
#include "core/nearest_name.hpp"
#include "core/schema.hpp"
#include "sim/cost/calibration.hpp"
#include "sim/cost/calibration_names.hpp"

namespace orrery::sim {
namespace {

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

const schema::Table<GemmPoint>& point_table() {
    using Field = schema::Field<GemmPoint>;
    constexpr double kMost = 1e12;
    static const schema::Table<GemmPoint> table{
        "point",
        "A measured product.",
        {Field::choice("layout", &GemmPoint::layout, layout_names()).required(),
         Field::boolean("accumulate", &GemmPoint::accumulate),
         Field::integer("batch", &GemmPoint::batch).at_least(1).at_most(kMost),
         Field::integer("m", &GemmPoint::m).at_least(1).at_most(kMost).required(),
         Field::integer("n", &GemmPoint::n).at_least(1).at_most(kMost).required(),
         Field::integer("k", &GemmPoint::k).at_least(1).at_most(kMost).required(),
         Field::number("ratio", &GemmPoint::ratio)
             .above(0)
             .at_most(1000)
             .required()
             .describe("measured time / formula")}};
    return table;
}

const schema::Table<GemmLattice>& lattice_table() {
    using Field = schema::Field<GemmLattice>;
    static const schema::Table<GemmLattice> table{
        "lattice",
        "Measured products between which the formula's error is interpolated.",
        {Field::number("reach", &GemmLattice::reach)
             .at_least(0)
             .at_most(20)
             .required()
             .describe("how far a point speaks, in powers of two"),
         Field::list("points", &GemmLattice::points, point_table()).required()}};
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
         Field::table("lattice", &GemmModel::lattice, lattice_table()).describe("measured corrections"),
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
    std::vector<std::string> runs;
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
         Field::list("runs", &File::runs).describe("recorded runs that something was fitted to"),
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
    for (auto& entry : models) {
        const std::string& name = entry.first;
        const Names<Precision>& names = precision_names();
        const auto found = std::find_if(names.begin(), names.end(),
                                        [&name](const auto& known_name) { return known_name.first == name; });
        if (found == names.end()) {
            std::vector<std::string> known;
            for (const auto& known_name : names) known.push_back(known_name.first);
            const yaml::Node* child = node ? node->find(name) : nullptr;
            throw InputError(child ? child->key_where() : Location{}, section + "." + name,
                             unknown_name("precision", name, known));
        }
        out.emplace(found->second, std::move(entry.second));
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

}  // namespace

Calibration parse_calibration(const std::string& text, const std::string& file) {
    const yaml::Node root = yaml::parse(text, file);
    File read = schema::read(file_table(), root);
    check_gemm(read, root);
    Calibration out;
    out.gpu = std::move(read.gpu);
    out.summary = std::move(read.summary);
    out.runs = std::move(read.runs);
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

std::vector<std::string> calibration_names() {
    return data_names("calibrations");
}

}  // namespace orrery::sim
