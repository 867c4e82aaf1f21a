#include "sim/cost/collective_calibration.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/atomic_file.hpp"
#include "core/data_path.hpp"
#include "core/schema.hpp"

namespace orrery::sim {
namespace {

constexpr std::string_view kFolder = "calibrations/collectives";
constexpr std::string_view kIdeal = "ideal";

const schema::Table<ProtocolCalibration>& protocol_table() {
    using P = ProtocolCalibration;
    using Field = schema::Field<P>;
    static const schema::Table<P> table{"protocol",
                                        "One algorithm under one protocol.",
                                        {Field::number("start_s", &P::start_s)
                                             .at_least(0)
                                             .at_most(1)
                                             .required()
                                             .unit("s")
                                             .describe("Once a collective."),
                                         Field::number("link_step_s", &P::link_step_s)
                                             .at_least(0)
                                             .at_most(1)
                                             .required()
                                             .unit("s")
                                             .describe("Added to a hop inside a node."),
                                         Field::number("network_step_s", &P::network_step_s)
                                             .at_least(0)
                                             .at_most(1)
                                             .required()
                                             .unit("s")
                                             .describe("Added to a hop between nodes."),
                                         Field::number("link_share", &P::link_share)
                                             .above(0)
                                             .at_most(4)
                                             .required()
                                             .describe("Of the links' bandwidth after link_efficiency."),
                                         Field::number("network_share", &P::network_share)
                                             .above(0)
                                             .at_most(4)
                                             .required()
                                             .describe("Of the NICs' bandwidth after network_efficiency.")}};
    return table;
}

const schema::Table<AlgorithmCalibration>& algorithm_table() {
    using A = AlgorithmCalibration;
    using Field = schema::Field<A>;
    static const schema::Table<A> table{"algorithm",
                                        "One algorithm under NCCL's three protocols.",
                                        {Field::table(
                                             "LL", [](A & a) -> auto& { return a[0]; }, protocol_table())
                                             .required(),
                                         Field::table(
                                             "LL128", [](A & a) -> auto& { return a[1]; }, protocol_table())
                                             .required(),
                                         Field::table(
                                             "Simple", [](A & a) -> auto& { return a[2]; }, protocol_table())
                                             .required()}};
    return table;
}

const schema::Table<NvlsCalibration>& nvls_table() {
    using N = NvlsCalibration;
    using Field = schema::Field<N>;
    static const schema::Table<N> table{
        "nvls",
        "Collectives reduced inside NVSwitch.",
        {Field::boolean("available", &N::available).required(),
         Field::number("start_s", &N::start_s).at_least(0).at_most(1).required().unit("s"),
         Field::number("network_step_s", &N::network_step_s).at_least(0).at_most(1).required().unit("s"),
         Field::number("link_share", &N::link_share).above(0).at_most(4).required(),
         Field::number("network_share", &N::network_share).above(0).at_most(4).required()}};
    return table;
}

const schema::Table<CalibrationResidual>& residual_table() {
    using R = CalibrationResidual;
    using Field = schema::Field<R>;
    static const schema::Table<R> table{
        "residual",
        "Absolute relative errors over some samples.",
        {Field::text("what", &R::what).required(),
         Field::integer("samples", &R::samples).at_least(0).required(),
         Field::number("median_error", &R::median_error).at_least(0).required(),
         Field::number("p90_error", &R::p90_error).at_least(0).required(),
         Field::boolean("held_out", &R::held_out).describe("Samples that the fit did not see.")}};
    return table;
}

const schema::Table<CollectiveCalibration>& calibration_table() {
    using C = CollectiveCalibration;
    using Field = schema::Field<C>;
    static const schema::Table<C> table{
        "collective calibration",
        "What is measured of a node kind's collectives.",
        {Field::text("name", &C::name).required(),
         Field::list("provenance", &C::provenance).required().describe("Where each part comes from."),
         Field::number("link_efficiency", &C::link_efficiency).above(0).at_most(1).required(),
         Field::number("network_efficiency", &C::network_efficiency).above(0).at_most(1).required(),
         Field::number("ring_fill_steps", &C::ring_fill_steps).at_least(0).at_most(16).required(),
         Field::number("one_pass_share", &C::one_pass_share).above(0).at_most(4).required(),
         Field::number("network_start_s", &C::network_start_s)
             .at_least(0)
             .at_most(1)
             .required()
             .unit("s")
             .describe("Once a collective on several nodes."),
         Field::table("ring", &C::ring, algorithm_table()).required(),
         Field::table("tree", &C::tree, algorithm_table()).required(),
         Field::table("direct", &C::direct, algorithm_table()).required(),
         Field::number("peer_s", &C::peer_s).at_least(0).at_most(1).required().unit("s"),
         Field::table("nvls", &C::nvls, nvls_table()),
         Field::number("fitted_least_bytes", &C::fitted_least_bytes).at_least(0).unit("bytes"),
         Field::number("fitted_most_bytes", &C::fitted_most_bytes).at_least(0).unit("bytes"),
         Field::list("residuals", &C::residuals, residual_table())}};
    return table;
}

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + "\"";
}

std::string to_yaml(const char* key, const AlgorithmCalibration& algorithm) {
    std::string text = fmt::format("{}:\n", key);
    for (const Protocol protocol : kProtocols) {
        const ProtocolCalibration& p = algorithm[static_cast<std::size_t>(protocol)];
        text += fmt::format(
            "  {}: {{start_s: {:.4g}, link_step_s: {:.4g}, network_step_s: {:.4g}, link_share: {:.4g}, "
            "network_share: {:.4g}}}\n",
            to_string(protocol), p.start_s, p.link_step_s, p.network_step_s, p.link_share, p.network_share);
    }
    return text;
}

}  // namespace

std::string_view to_string(Protocol protocol) {
    switch (protocol) {
        case Protocol::ll:
            return "LL";
        case Protocol::ll128:
            return "LL128";
        case Protocol::simple:
            return "Simple";
    }
    return "?";
}

double wire_bytes(std::string_view protocol) {
    if (protocol == to_string(Protocol::ll)) return 8.0 / 4;
    if (protocol == to_string(Protocol::ll128)) return 128.0 / 120;
    return 1;
}

CollectiveCalibration ideal_collectives() {
    CollectiveCalibration ideal;
    ideal.name = kIdeal;
    ideal.provenance = {"no measurement: links as in the data sheets, software without latency"};
    return ideal;
}

CollectiveCalibration load_collectives(const std::string& name_or_path) {
    if (name_or_path == kIdeal) return ideal_collectives();
    return schema::read(calibration_table(),
                        yaml::read(data_file(kFolder, name_or_path, "collective calibration")));
}

std::vector<std::string> collective_calibration_names() {
    std::vector<std::string> names = data_names(kFolder);
    names.insert(std::ranges::lower_bound(names, kIdeal), std::string(kIdeal));
    return names;
}

std::string to_yaml(const CollectiveCalibration& c) {
    std::string text = fmt::format(
        "# Collectives, fitted by profiler/fit_collectives. Times in seconds.\nname: {}\nprovenance:\n",
        c.name);
    for (const std::string& sentence : c.provenance) text += fmt::format("  - {}\n", quoted(sentence));
    text += fmt::format(
        "link_efficiency: {:.4g}\nnetwork_efficiency: {:.4g}\nring_fill_steps: {:.4g}\none_pass_share: "
        "{:.4g}\nnetwork_start_s: {:.4g}\n",
        c.link_efficiency, c.network_efficiency, c.ring_fill_steps, c.one_pass_share, c.network_start_s);
    text += to_yaml("ring", c.ring) + to_yaml("tree", c.tree) + to_yaml("direct", c.direct);
    text += fmt::format("peer_s: {:.4g}\n", c.peer_s);
    text += fmt::format(
        "nvls: {{available: {}, start_s: {:.4g}, network_step_s: {:.4g}, link_share: {:.4g}, network_share: "
        "{:.4g}}}\n",
        c.nvls.available, c.nvls.start_s, c.nvls.network_step_s, c.nvls.link_share, c.nvls.network_share);
    text +=
        fmt::format("fitted_least_bytes: {:.0f}\nfitted_most_bytes: {:.0f}\nresiduals:", c.fitted_least_bytes,
                    c.fitted_most_bytes);
    if (c.residuals.empty()) text += " []";
    text += "\n";
    for (const CalibrationResidual& r : c.residuals) {
        text += fmt::format(
            "  - {{what: {}, samples: {}, median_error: {:.4f}, p90_error: {:.4f}, held_out: {}}}\n",
            quoted(r.what), r.samples, r.median_error, r.p90_error, r.held_out);
    }
    return text;
}

void save_collectives(const CollectiveCalibration& calibration, const std::filesystem::path& path) {
    write_file_atomically(path, to_yaml(calibration));
}

}  // namespace orrery::sim
