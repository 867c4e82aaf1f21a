// Reading of YAML files. A small one that has not changed since the last time is not parsed again: a sweep
// reads the same models and clusters thousands of times. From any thread.
#include <sys/stat.h>

#include <ctime>
#include <map>
#include <mutex>
#include <tuple>

#include "core/atomic_file.hpp"
#include "core/yaml.hpp"

namespace orrery::yaml {
namespace {

constexpr std::int64_t kLargestKept = 256 << 10;  ///< bytes
constexpr std::size_t kMostKept = 256;            ///< files
/// A file changed less than this before it was read may change again without its time of change telling: the
/// kernel's clock for files moves in steps of up to 10 ms, and some file systems count in seconds.
constexpr double kSettled_s = 2;

/// What tells one state of a file from another.
using Stamp = std::tuple<dev_t, ino_t, off_t, time_t, long, time_t, long>;

Stamp stamp_of(const struct stat& s) {
    return {s.st_dev,          s.st_ino,         s.st_size,        s.st_mtim.tv_sec,
            s.st_mtim.tv_nsec, s.st_ctim.tv_sec, s.st_ctim.tv_nsec};
}

bool settled(const struct stat& s) {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    const double age = static_cast<double>(now.tv_sec - s.st_ctim.tv_sec) +
                       1e-9 * static_cast<double>(now.tv_nsec - s.st_ctim.tv_nsec);
    return age > kSettled_s;
}

bool by_default(const Limits& limits) {
    const Limits usual;
    return limits.bytes == usual.bytes && limits.depth == usual.depth && limits.nodes == usual.nodes;
}

struct Kept {
    Stamp stamp;
    std::shared_ptr<const Node> node;
};

class Memory {
  public:
    std::shared_ptr<const Node> find(const std::string& path, const Stamp& stamp) {
        const std::scoped_lock lock(mutex_);
        const auto found = kept_.find(path);
        return found != kept_.end() && found->second.stamp == stamp ? found->second.node : nullptr;
    }

    void keep(const std::string& path, const Stamp& stamp, const Node& node) {
        auto copy = std::make_shared<const Node>(node);
        const std::scoped_lock lock(mutex_);
        if (kept_.size() >= kMostKept) kept_.clear();
        kept_[path] = {stamp, std::move(copy)};
    }

  private:
    std::mutex mutex_;
    std::map<std::string, Kept> kept_;  ///< by path as written: messages name it so
};

}  // namespace

Node read(const std::filesystem::path& path, const Limits& limits) {
    static Memory memory;
    const std::string name = path.string();
    struct stat before {};
    const bool known = ::stat(name.c_str(), &before) == 0 && S_ISREG(before.st_mode) &&
                       before.st_size <= kLargestKept && by_default(limits);
    if (known) {
        if (const auto node = memory.find(name, stamp_of(before))) return *node;
    }
    Node node = parse(read_file(path, limits.bytes), name, limits);
    if (known && settled(before)) memory.keep(name, stamp_of(before), node);
    return node;
}

}  // namespace orrery::yaml
