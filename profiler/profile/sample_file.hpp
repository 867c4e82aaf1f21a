// profiler/profile/sample_file.hpp
//
// The file that samples are appended to as they come. Opening an existing one resumes it: what it holds is
// not measured again, and a last line torn by an interruption is cut off.
#pragma once

#include <set>
#include <string>

#include "profiler/profile/record.hpp"

namespace orrery::profiler {

class SampleFile {
  public:
    /// Opens `path` for appending, making it and its folder; reads what is there. Throws InputError when it
    /// cannot, when its lines are no samples, or when another process has it open.
    explicit SampleFile(const std::string& path);
    ~SampleFile();
    SampleFile(const SampleFile&) = delete;
    SampleFile& operator=(const SampleFile&) = delete;

    [[nodiscard]] bool has(const std::string& key) const { return keys_.contains(key); }
    [[nodiscard]] std::size_t size() const { return keys_.size(); }

    /// Writes one line at once. Throws InputError when the disk does not take it.
    void append(const Record& record);

  private:
    std::string path_;
    int descriptor_ = -1;
    std::set<std::string> keys_;
};

}  // namespace orrery::profiler
