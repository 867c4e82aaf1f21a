// core/huge_pages.hpp
//
// Large arrays on huge pages: where an array of gigabytes is filled once, the page faults of ordinary pages
// take longer than the filling.
#pragma once

#include <cstddef>
#include <vector>

namespace orrery {

/// Asks the kernel to back [begin, begin + bytes) with huge pages where it can. Only a hint, of no effect on
/// the contents and on other systems than Linux.
void prefer_huge_pages(void* begin, std::size_t bytes);

/// A vector of `count` value-initialised elements, on huge pages where possible.
template <class T>
std::vector<T> make_large_vector(std::size_t count) {
    std::vector<T> values;
    values.reserve(count);
    prefer_huge_pages(values.data(), values.capacity() * sizeof(T));
    values.resize(count);
    return values;
}

}  // namespace orrery
