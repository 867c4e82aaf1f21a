// Writing the calibration file.
#include <cstdio>
#include <string>
#include <utility>

#include "sim/cost/calibration.hpp"
#include "sim/cost/calibration_names.hpp"

namespace orrery::sim {
namespace {

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

std::string lattice(const GemmLattice& l, const std::string& indent) {
    if (l.reach <= 0 || l.points.empty()) return "";
    std::string out =
        indent + "lattice:\n" + indent + "  reach: " + number(l.reach) + "\n" + indent + "  points:\n";
    for (const GemmPoint& p : l.points) {
        out += indent + "    - {layout: " + name_of(p.layout, layout_names()) +
               ", accumulate: " + (p.accumulate ? "true" : "false") + ", batch: " + std::to_string(p.batch) +
               ", m: " + std::to_string(p.m) + ", n: " + std::to_string(p.n) + ", k: " + std::to_string(p.k) +
               ", ratio: " + number(p.ratio) + "}\n";
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
    return out + lattice(g.lattice, in) + range("flops", g.flops, in) + quality(g.quality, in) +
           provenance(g.provenance, in);
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

const std::string& to_string(AttentionImplementation implementation) {
    static const std::string unfused = "unfused";
    if (implementation == AttentionImplementation::unfused) return unfused;
    return name_of(implementation, attention_names());
}

std::string to_yaml(const Calibration& c) {
    std::string out = "gpu: " + c.gpu + "\nsummary: " + quoted(c.summary) + "\n";
    if (!c.runs.empty()) {
        out += "runs:\n";
        for (const std::string& run : c.runs) out += "  - " + quoted(run) + "\n";
    }
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
