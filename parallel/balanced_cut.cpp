#include "parallel/balanced_cut.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <numeric>

namespace orrery::parallel {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

/// Sums are compared as equal within rounding.
constexpr double kSlack = 1 + 1e-12;

class Cut {
  public:
    Cut(std::span<const double> work, int parts)
        : pieces_(work.size()), parts_(static_cast<std::size_t>(parts)), sum_(pieces_ + 1, 0) {
        std::partial_sum(work.begin(), work.end(), sum_.begin() + 1);
    }

    /// Work of the pieces from `begin` to `end`.
    [[nodiscard]] double between(std::size_t begin, std::size_t end) const { return sum_[end] - sum_[begin]; }

    /// The least possible work of the largest part.
    [[nodiscard]] double least_largest() const {
        std::vector<double> before(pieces_ + 1, kInfinite);
        before[0] = 0;
        for (std::size_t part = 1; part <= parts_; ++part) {
            std::vector<double> now(pieces_ + 1, kInfinite);
            for (std::size_t end = part; end <= pieces_; ++end)
                for (std::size_t begin = end; begin-- > part - 1 && between(begin, end) <= now[end];)
                    now[end] = std::min(now[end], std::max(before[begin], between(begin, end)));
            before = std::move(now);
        }
        return before[pieces_];
    }

    /// Sizes of the parts with the least sum of squares, none above `most`.
    [[nodiscard]] std::vector<int> evenest(double most) const {
        std::vector<double> before(pieces_ + 1, kInfinite);
        before[0] = 0;
        std::vector<std::vector<std::size_t>> begins;
        for (std::size_t part = 1; part <= parts_; ++part) {
            std::vector<double> now(pieces_ + 1, kInfinite);
            std::vector<std::size_t>& from = begins.emplace_back(pieces_ + 1, 0);
            for (std::size_t end = part; end <= pieces_; ++end)
                for (std::size_t begin = end; begin-- > part - 1 && between(begin, end) <= most * kSlack;) {
                    const double squares = before[begin] + between(begin, end) * between(begin, end);
                    if (squares >= now[end]) continue;
                    now[end] = squares;
                    from[end] = begin;
                }
            before = std::move(now);
        }
        std::vector<int> sizes(parts_);
        std::size_t end = pieces_;
        for (std::size_t part = parts_; part-- > 0;) {
            sizes[part] = static_cast<int>(end - begins[part][end]);
            end = begins[part][end];
        }
        return sizes;
    }

  private:
    std::size_t pieces_;
    std::size_t parts_;
    std::vector<double> sum_;
};

}  // namespace

std::vector<int> balanced_cut(std::span<const double> work, int parts) {
    assert(parts >= 1 && static_cast<std::size_t>(parts) <= work.size());
    const Cut cut(work, parts);
    return cut.evenest(cut.least_largest());
}

double largest_part(std::span<const double> work, std::span<const int> sizes) {
    double largest = 0;
    std::size_t begin = 0;
    for (const int size : sizes) {
        double sum = 0;
        for (int i = 0; i < size; ++i) sum += work[begin++];
        largest = std::max(largest, sum);
    }
    return largest;
}

}  // namespace orrery::parallel
