// Packed weights as bytes in files, and the files mapped into memory.
#include <algorithm>
#include <string>

#include "addon.h"
#include "geometry.h"
#include "int8/mapped_file.h"
#include "int8/qconv.h"

namespace binding {
namespace {

using int8::MappedFile;
using int8::PackedQuantized;

// mapFile(path, length): { file, buffer }, or null where it cannot be mapped. The buffer is the file's first `length`
// bytes, or all of them where it has fewer; writing to it changes no file.
Napi::Value map_file(Args& args) {
  const Napi::Env env = args.env();
  if (args.value(0) == nullptr || !Napi::Value(env, args.value(0)).IsString()) {
    args.fail_type("path", "must be a string");
  }
  const std::shared_ptr<const MappedFile> file = MappedFile::open(Napi::String(env, args.value(0)).Utf8Value());
  if (file == nullptr) return env.Null();
  const auto length = static_cast<size_t>(args.integer(1, "length", 0, kMaxInteger));
  const std::span<uint8_t> bytes = file->bytes().first(std::min(length, file->bytes().size()));
  auto owner = std::make_unique<std::shared_ptr<const MappedFile>>(file);
  napi_value buffer = nullptr;
  const auto finalize = [](napi_env, void*, void* hint) {
    delete static_cast<std::shared_ptr<const MappedFile>*>(hint);
  };
  // Some environments allow no memory but their own.
  if (napi_create_external_arraybuffer(env, bytes.data(), bytes.size(), finalize, owner.get(), &buffer) != napi_ok) {
    return env.Null();
  }
  owner.release();
  Napi::Object result = Napi::Object::New(env);
  result.Set("file", Handle<MappedFile>::wrap(env, file, 0));
  result.Set("buffer", Napi::Value(env, buffer));
  return result;
}

// imageOf(packed): a Uint8Array, or null where such weights have no image.
Napi::Value image_of(Args& args) {
  const auto packed = args.object<PackedQuantized>(0, "packed");
  const int64_t size = int8::image_size(*packed);
  if (size == 0) return args.env().Null();
  Napi::Uint8Array image = Napi::Uint8Array::New(args.env(), static_cast<size_t>(size));
  int8::write_image(*packed, std::span<uint8_t>(image.Data(), image.ByteLength()));
  return image;
}

// packImage(file, offset, length, weight sizes): packed weights, or null where there is no image of such weights for
// the active instruction set.
Napi::Value pack_image(Args& args) {
  const auto file = args.object<MappedFile>(0, "file");
  const std::span<uint8_t> bytes = file->bytes();
  const int64_t offset = args.integer(1, "offset", 0, static_cast<int64_t>(bytes.size()));
  const int64_t length = args.integer(2, "length", 0, static_cast<int64_t>(bytes.size()) - offset);
  const WeightSizes sizes = read_weight_sizes(args, 3);
  int8::QuantizedWeights w;
  w.groups = sizes.groups;
  w.out_channels = sizes.out_channels;
  w.in_per_group = sizes.in_per_group;
  w.kernel = sizes.kernel;
  w.transposed = sizes.transposed;
  auto packed = int8::read_image(w, bytes.subspan(static_cast<size_t>(offset), static_cast<size_t>(length)), file);
  if (packed == nullptr) return args.env().Null();
  const size_t held = int8::facts(*packed).bytes;
  return Handle<PackedQuantized>::wrap(args.env(), std::move(packed), held);
}

}  // namespace

void add_image(Registry& registry) {
  registry.function<map_file>("mapFile");
  registry.function<image_of>("imageOf");
  registry.function<pack_image>("packImage");
}

}  // namespace binding
