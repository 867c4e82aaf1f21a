#include "study/shared_inputs.hpp"

#include <map>
#include <mutex>

#include "core/data_path.hpp"
#include "core/schema.hpp"
#include "sim/cost/collective_cost.hpp"

namespace orrery::study {
namespace {

template <class T>
class Shelf {
  public:
    std::shared_ptr<const T> get(const std::string& name, T (*load)(const std::string&)) {
        const std::scoped_lock lock(mutex_);
        std::shared_ptr<const T>& entry = entries_[name];
        if (!entry) entry = std::make_shared<const T>(load(name));
        return entry;
    }

  private:
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<const T>> entries_;
};

const schema::Table<Overlap::Kind>& overlap_of_kind_table() {
    using Field = schema::Field<Overlap::Kind>;
    static const schema::Table<Overlap::Kind> table{
        "overlap of a kind",
        "How much kernels slow down beside a collective of that kind.",
        {Field::number("compute_slowdown", &Overlap::Kind::compute_slowdown)
             .at_least(1)
             .at_most(10)
             .required()
             .describe("Time of a kernel beside it, relative to alone."),
         Field::text("source", &Overlap::Kind::source).required().describe("Where it comes from.")}};
    return table;
}

Overlap load_overlap(const std::string& name) {
    using Field = schema::Field<Overlap>;
    static const schema::Table<Overlap> table{
        "overlap",
        "How much kernels slow down while a collective runs on the same GPU.",
        {Field::number("compute_slowdown", &Overlap::compute_slowdown)
             .at_least(1)
             .at_most(10)
             .required()
             .describe("Time of a kernel beside a collective, relative to alone."),
         Field::map("by_kind", &Overlap::by_kind, overlap_of_kind_table())
             .describe("The same beside collectives of one kind."),
         Field::text("source", &Overlap::source).required().describe("Where it was measured.")}};
    Overlap overlap =
        schema::read(table, yaml::read(data_file("calibrations/contention", name, "calibration")));
    for (const auto& [kind, unused] : overlap.by_kind) sim::parse_collective_kind(kind);
    return overlap;
}

}  // namespace

sim::ComputeSlowdown Overlap::slowdown() const {
    sim::ComputeSlowdown all = sim::uniform_slowdown(compute_slowdown);
    for (const auto& [name, kind] : by_kind)
        all[static_cast<std::size_t>(sim::parse_collective_kind(name))] = kind.compute_slowdown;
    return all;
}

std::shared_ptr<const Overlap> shared_overlap() {
    static Shelf<Overlap> shelf;
    return shelf.get("published", load_overlap);
}

std::shared_ptr<const models::Software> shared_software(const std::string& name) {
    static Shelf<models::Software> shelf;
    return shelf.get(name, models::load_software);
}

std::shared_ptr<const sim::Calibration> shared_calibration(const std::string& name) {
    static Shelf<sim::Calibration> shelf;
    return shelf.get(name, sim::load_calibration);
}

std::shared_ptr<const sim::CollectiveCalibration> shared_collectives(const std::string& name) {
    static Shelf<sim::CollectiveCalibration> shelf;
    return shelf.get(name, sim::load_collectives);
}

}  // namespace orrery::study
