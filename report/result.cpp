#include "report/result.hpp"

#include <numeric>

namespace orrery::report {

double total_bytes(const BytesByKind& bytes) {
    return std::accumulate(bytes.begin(), bytes.end(), 0.0);
}

}  // namespace orrery::report
