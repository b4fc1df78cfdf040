mod chunk;
mod decode;

pub use chunk::ChunkQueue;
pub use decode::ActionDecoder;
