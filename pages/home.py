from genediff.ui import frame

frame.guard()
frame.header("GeneDiff Explorer", "See what a diffusion model learns of cells, and judge it honestly.")
