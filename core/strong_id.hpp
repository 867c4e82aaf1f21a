// core/strong_id.hpp
//
// Indices into the arrays of a program, a cluster or a model. Each kind of index is a type of its own, so
// that a rank cannot be passed where a task is meant. The representation is a plain integer: an array of ids
// is an array of integers.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>

namespace orrery {

template <class Tag, class Integer = std::uint32_t>
struct StrongId {
    using value_type = Integer;

    Integer value = none_value();

    constexpr StrongId() = default;
    constexpr explicit StrongId(std::size_t index) : value(static_cast<Integer>(index)) {}

    /// The index as an array subscript.
    constexpr std::size_t operator()() const { return value; }
    /// False for a default-constructed id, which points nowhere.
    constexpr explicit operator bool() const { return value != none_value(); }
    constexpr auto operator<=>(const StrongId&) const = default;

  private:
    static constexpr Integer none_value() { return std::numeric_limits<Integer>::max(); }
};

}  // namespace orrery

template <class Tag, class Integer>
struct std::hash<orrery::StrongId<Tag, Integer>> {
    std::size_t operator()(orrery::StrongId<Tag, Integer> id) const { return std::hash<Integer>{}(id.value); }
};
