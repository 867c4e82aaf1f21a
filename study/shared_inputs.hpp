// study/shared_inputs.hpp
//
// Files that many experiments share (software profiles, calibrations), read once per process and never
// changed after. Safe from several threads.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "models/software.hpp"
#include "sim/cost/calibration.hpp"
#include "sim/cost/collective_calibration.hpp"
#include "sim/engine/contention.hpp"

namespace orrery::study {

std::shared_ptr<const models::Software> shared_software(const std::string& name_or_path);
std::shared_ptr<const sim::Calibration> shared_calibration(const std::string& name_or_path);
/// calibrations/contention/published.yaml: how much kernels slow down beside a collective.
struct Overlap {
    struct Kind {
        double compute_slowdown = 1;
        std::string source;
    };
    double compute_slowdown = 1;          ///< of kinds that `by_kind` does not name
    std::map<std::string, Kind> by_kind;  ///< by the collective's name
    std::string source;

    [[nodiscard]] sim::ComputeSlowdown slowdown() const;
};
std::shared_ptr<const Overlap> shared_overlap();
std::shared_ptr<const sim::CollectiveCalibration> shared_collectives(const std::string& name_or_path);

}  // namespace orrery::study
