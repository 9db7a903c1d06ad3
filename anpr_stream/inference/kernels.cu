// Preprocessing on the GPU: from a decoder's planes to a network's input, in one pass.
//
//   anpr_letterbox  whole frames, fitted into the network's input on grey, for a batch
//   anpr_rectify    plates cut by a homography straight out of the frames, for a batch
//
// Output: (N, 3, H, W), BGR, 0..1, float or half. One thread per output pixel.
// Sampling is bilinear at pixel centres with replicated edges; chroma is sampled at its own
// resolution (co-sited in the middle, as MPEG-1 does and OpenCV assumes). Conversion follows
// ITU-R BT.601 / BT.709.
//
// The same file compiles for the host with ANPR_HOST defined: the tests run the kernels on the
// CPU and hold them against NumPy.

#ifdef ANPR_HOST
#include <cmath>
#include <cstdint>
#define ANPR_DEVICE static inline
typedef float half_t;
#else
#include <cuda_fp16.h>
#include <cstdint>
#define ANPR_DEVICE static __device__ __forceinline__
typedef __half half_t;
#endif

enum Format { FORMAT_I420 = 0, FORMAT_NV12 = 1, FORMAT_BGR = 2, FORMAT_GRAY8 = 3 };

// One frame in device memory; the layout is mirrored by `FRAME_VIEW` in frame_store.py.
struct FrameView {
    uint64_t plane[3];   // addresses of Y|BGR|grey, U|UV, V
    int32_t pitch[3];    // bytes per row
    int32_t width, height;
    int32_t format;
    float luma_offset, luma_gain;   // (Y - offset) * gain
    float red_v, green_u, green_v, blue_u;  // chroma weights for U, V around 128
};

// Where a frame lies in the network's input.
struct Placement {
    float scale_x, scale_y;   // source pixels per output pixel
    int32_t left, top, width, height;  // the picture's place, in output pixels
};

struct Color { float b, g, r; };

ANPR_DEVICE float clampf(float v, float low, float high) { return v < low ? low : (v > high ? high : v); }

ANPR_DEVICE float texel(uint64_t base, int pitch, int x, int y, int step, int channel) {
    return (float)((const uint8_t*)base)[(int64_t)y * pitch + x * step + channel];
}

// Bilinear sample of one channel of a plane of w x h samples.
ANPR_DEVICE float sample(uint64_t base, int pitch, int w, int h, float x, float y, int step, int channel) {
    x = clampf(x, 0.0f, (float)(w - 1));
    y = clampf(y, 0.0f, (float)(h - 1));
    int x0 = (int)x, y0 = (int)y;
    int x1 = x0 + 1 < w ? x0 + 1 : x0, y1 = y0 + 1 < h ? y0 + 1 : y0;
    float fx = x - x0, fy = y - y0;
    float top = texel(base, pitch, x0, y0, step, channel) * (1 - fx) + texel(base, pitch, x1, y0, step, channel) * fx;
    float low = texel(base, pitch, x0, y1, step, channel) * (1 - fx) + texel(base, pitch, x1, y1, step, channel) * fx;
    return top * (1 - fy) + low * fy;
}

ANPR_DEVICE Color from_yuv(const FrameView& f, float y, float u, float v) {
    float luma = (y - f.luma_offset) * f.luma_gain;
    u -= 128.0f;
    v -= 128.0f;
    Color c = {luma + f.blue_u * u, luma + f.green_u * u + f.green_v * v, luma + f.red_v * v};
    c.b = clampf(c.b, 0.0f, 255.0f);
    c.g = clampf(c.g, 0.0f, 255.0f);
    c.r = clampf(c.r, 0.0f, 255.0f);
    return c;
}

// Colour at (x, y) in pixels of the frame, where integers are pixel centres.
ANPR_DEVICE Color color_at(const FrameView& f, float x, float y) {
    if (f.format == FORMAT_BGR) {
        Color c = {sample(f.plane[0], f.pitch[0], f.width, f.height, x, y, 3, 0),
                   sample(f.plane[0], f.pitch[0], f.width, f.height, x, y, 3, 1),
                   sample(f.plane[0], f.pitch[0], f.width, f.height, x, y, 3, 2)};
        return c;
    }
    float luma = sample(f.plane[0], f.pitch[0], f.width, f.height, x, y, 1, 0);
    if (f.format == FORMAT_GRAY8) {
        Color c = {luma, luma, luma};
        return c;
    }
    int cw = (f.width + 1) / 2, ch = (f.height + 1) / 2;
    float cx = (x + 0.5f) * 0.5f - 0.5f, cy = (y + 0.5f) * 0.5f - 0.5f;
    bool nv12 = f.format == FORMAT_NV12;
    int step = nv12 ? 2 : 1;
    float u = sample(f.plane[1], f.pitch[1], cw, ch, cx, cy, step, 0);
    float v = sample(f.plane[nv12 ? 1 : 2], f.pitch[nv12 ? 1 : 2], cw, ch, cx, cy, step, nv12 ? 1 : 0);
    return from_yuv(f, luma, u, v);
}

ANPR_DEVICE void put(float* out, int64_t at, float value) { out[at] = value; }
#ifndef ANPR_HOST
ANPR_DEVICE void put(__half* out, int64_t at, float value) { out[at] = __float2half(value); }
#endif

template <typename T>
ANPR_DEVICE void store(T* out, int n, int x, int y, int width, int height, Color c) {
    int64_t area = (int64_t)width * height, at = (int64_t)n * 3 * area + (int64_t)y * width + x;
    put(out, at, c.b / 255.0f);
    put(out, at + area, c.g / 255.0f);
    put(out, at + 2 * area, c.r / 255.0f);
}

template <typename T>
ANPR_DEVICE void letterbox_pixel(const FrameView* frames, const Placement* places, T* out, int width, int height,
                                 int n, int x, int y) {
    const Placement& p = places[n];
    int inner_x = x - p.left, inner_y = y - p.top;
    Color c = {114.0f, 114.0f, 114.0f};
    if (inner_x >= 0 && inner_y >= 0 && inner_x < p.width && inner_y < p.height)
        c = color_at(frames[n], (inner_x + 0.5f) * p.scale_x - 0.5f, (inner_y + 0.5f) * p.scale_y - 0.5f);
    store(out, n, x, y, width, height, c);
}

// `maps`: ten floats per crop: a homography, row-major, from output pixel to source pixel, and how many
// samples a side are averaged for a pixel. A large plate's strokes would be sampled through by one.
template <typename T>
ANPR_DEVICE void rectify_pixel(const FrameView* frames, const float* maps, T* out, int width, int height, int n,
                               int x, int y) {
    const float* m = maps + 10 * n;
    int side = (int)m[9];
    float share = 1.0f / side;
    Color sum = {0.0f, 0.0f, 0.0f};
    for (int row = 0; row < side; ++row)
        for (int column = 0; column < side; ++column) {
            float u = x + (column + 0.5f) * share - 0.5f, v = y + (row + 0.5f) * share - 0.5f;
            float w = m[6] * u + m[7] * v + m[8];
            float inverse = w != 0.0f ? 1.0f / w : 0.0f;
            Color c = color_at(frames[n], (m[0] * u + m[1] * v + m[2]) * inverse,
                               (m[3] * u + m[4] * v + m[5]) * inverse);
            sum.b += c.b;
            sum.g += c.g;
            sum.r += c.r;
        }
    Color mean = {sum.b * share * share, sum.g * share * share, sum.r * share * share};
    store(out, n, x, y, width, height, mean);
}

#ifdef ANPR_HOST
#define ANPR_EACH_PIXEL(call)                                     \
    for (int n = 0; n < batch; ++n)                               \
        for (int y = 0; y < height; ++y)                          \
            for (int x = 0; x < width; ++x) call
#define ANPR_ENTRY extern "C" void
#else
#define ANPR_EACH_PIXEL(call)                                     \
    int x = blockIdx.x * blockDim.x + threadIdx.x;                \
    int y = blockIdx.y * blockDim.y + threadIdx.y;                \
    int n = blockIdx.z;                                           \
    if (n < batch && x < width && y < height) call
#define ANPR_ENTRY extern "C" __global__ void
#endif

ANPR_ENTRY anpr_letterbox_float(const FrameView* frames, const Placement* places, float* out, int batch, int width,
                                int height) {
    ANPR_EACH_PIXEL(letterbox_pixel(frames, places, out, width, height, n, x, y));
}

ANPR_ENTRY anpr_letterbox_half(const FrameView* frames, const Placement* places, half_t* out, int batch, int width,
                               int height) {
    ANPR_EACH_PIXEL(letterbox_pixel(frames, places, out, width, height, n, x, y));
}

ANPR_ENTRY anpr_rectify_float(const FrameView* frames, const float* maps, float* out, int batch, int width,
                              int height) {
    ANPR_EACH_PIXEL(rectify_pixel(frames, maps, out, width, height, n, x, y));
}

ANPR_ENTRY anpr_rectify_half(const FrameView* frames, const float* maps, half_t* out, int batch, int width,
                             int height) {
    ANPR_EACH_PIXEL(rectify_pixel(frames, maps, out, width, height, n, x, y));
}
