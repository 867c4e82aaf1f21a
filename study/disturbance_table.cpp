#include "study/disturbance_table.hpp"

namespace orrery::study {
namespace {

constexpr double kMostGpus = 1e6;
constexpr double kMostSlowdown = 1e6;

const schema::Table<sim::StreamShare>& share_table() {
    using Field = schema::Field<sim::StreamShare>;
    static const schema::Table<sim::StreamShare> table{
        "share",
        "How one kind of traffic shares links with others.",
        {Field::number("weight", &sim::StreamShare::weight)
             .above(0)
             .at_most(1e6)
             .describe("Its part of a shared link, relative to the others'."),
         Field::integer("priority", &sim::StreamShare::priority)
             .at_least(-100)
             .at_most(100)
             .describe("Higher ones are served first, lower ones share what is left.")},
        "weight"};
    return table;
}

}  // namespace

const schema::Table<sim::Straggler>& straggler_table() {
    using Field = schema::Field<sim::Straggler>;
    static const schema::Table<sim::Straggler> table{
        "straggler",
        "A GPU that is slower than the others.",
        {Field::integer("gpu", &sim::Straggler::device)
             .at_least(0)
             .at_most(kMostGpus)
             .required()
             .describe("Its global number."),
         Field::number("slowdown", &sim::Straggler::slowdown)
             .above(0)
             .at_most(kMostSlowdown)
             .required()
             .describe("Time of its kernels, relative to the others'.")}};
    return table;
}

const schema::Table<sim::Jitter>& jitter_table() {
    using Field = schema::Field<sim::Jitter>;
    static const schema::Table<sim::Jitter> table{
        "jitter",
        "Kernels that do not always take the same time: log-normal factors of mean 1.",
        {Field::number("deviation", &sim::Jitter::deviation)
             .at_least(0)
             .at_most(2)
             .describe("Standard deviation of the factor's logarithm."),
         Field::integer("seed", &sim::Jitter::seed).at_least(0).describe("Equal seeds give equal steps.")},
        "deviation"};
    return table;
}

const schema::Table<FaultChoice>& fault_table() {
    using Field = schema::Field<FaultChoice>;
    static const schema::Table<FaultChoice> table{
        "fault",
        "A link or GPU that changes during the step. One of link and gpu.",
        {Field::text("link", &FaultChoice::link)
             .describe("A link (\"gpu 3 out\"), or both directions of a cable (\"node 0 nic 1\")."),
         Field::integer("gpu", &FaultChoice::gpu)
             .at_least(0)
             .at_most(kMostGpus)
             .otherwise("none")
             .describe("Global number of a GPU."),
         Field::number("at_s", &FaultChoice::at_s)
             .at_least(0)
             .at_most(1e9)
             .unit("s")
             .describe("When, from the step's beginning on."),
         Field::number("bandwidth", &FaultChoice::bandwidth)
             .at_least(0)
             .at_most(1)
             .otherwise("0: it is cut")
             .describe("Share of the link's bandwidth that is left."),
         Field::number("slowdown", &FaultChoice::slowdown)
             .above(0)
             .at_most(kMostSlowdown)
             .otherwise("1")
             .describe("Time of the GPU's kernels from then on, relative to before."),
         Field::boolean("fails", &FaultChoice::fails).describe("The GPU stops.")}};
    return table;
}

const schema::Table<SharingChoice>& sharing_table() {
    using Field = schema::Field<SharingChoice>;
    using S = SharingChoice;
    static const schema::Table<SharingChoice> table{
        "sharing",
        "Who goes first where transfers share links.",
        {Field::table("tp", &S::tp, share_table()).describe("Tensor-parallel collectives."),
         Field::table("cp", &S::cp, share_table()).describe("Context-parallel exchanges."),
         Field::table("ep", &S::ep, share_table()).describe("Expert-parallel all-to-alls."),
         Field::table("dp", &S::dp, share_table()).describe("Data-parallel collectives."),
         Field::table("pp", &S::pp, share_table()).describe("Pipeline sends."),
         Field::table("copy", &S::copy, share_table()).describe("Copies to and from the host.")}};
    return table;
}

}  // namespace orrery::study
