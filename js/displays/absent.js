// In place of modules of Node that the library names, and uses only there.
export default {};
