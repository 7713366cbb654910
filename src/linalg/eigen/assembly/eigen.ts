// What eigen.wasm exports: the steps of the symmetric eigensolver that are not matrix products.
export { panelQr, panelV, triangularFactors, interleave } from './panel';
export { chaseBulges, packBlocks, addIdentity, splitSquares, joinSquares, putRows } from './chase';
export { secularRoots, secularVectors } from './secular';
export { smallTridiagonal } from './leaf';
