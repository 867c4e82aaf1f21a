#include "study/data_name.hpp"

#include "core/data_path.hpp"

namespace orrery::study {

std::string data_name(const Experiment& experiment, const std::string& key, const std::string& word,
                      std::string_view folder, const std::string& written) {
    const std::string file = data_file(folder, written, word, experiment.where(key), key).string();
    const bool is_path = written.find('/') != std::string::npos || written.ends_with("ml");
    return is_path ? file : written;
}

}  // namespace orrery::study
