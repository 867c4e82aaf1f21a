// report/numeric_check.hpp
//
// What `orrery validate --numeric` prints: how far the program's mathematics is from that of one rank that
// holds everything, or which task went wrong. Deviations are relative to the largest element of the
// reference's tensor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/json.hpp"
#include "report/table.hpp"

namespace orrery::report {

struct NumericFailure {
    std::string order;
    std::string task;
    std::string what;
};

struct NumericCheck {
    std::string experiment;
    std::string plan;  ///< in words
    std::uint64_t ranks = 0;
    std::uint64_t tasks = 0;
    std::string made_small;  ///< which sizes of the model were reduced, and to what; empty: none
    bool same_tasks = true;  ///< as the experiment's own program has, one by one
    std::vector<std::string> orders;
    double tolerance = 0;
    double loss = 0;
    double reference_loss = 0;
    double loss_error = 0;
    double activation_error = 0;
    double gradient_error = 0;
    double weight_error = 0;
    std::vector<std::string> other_volumes;
    std::optional<NumericFailure> failure;
};

/// At most `width` columns.
std::string numeric_check_text(const NumericCheck& check, std::size_t width = kPageWidth);
/// docs/numeric_check.schema.json.
Json to_json(const NumericCheck& check);

}  // namespace orrery::report
