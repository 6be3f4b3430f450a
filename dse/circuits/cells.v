// Cells that netlists are written in, by what they compute; drive strengths other than 1 are read as 1.

// gscl45nm, OSU FreePDK45
module INVX1 (input A, output Y); assign Y = ~A; endmodule
module BUFX1 (input A, output Y); assign Y = A; endmodule
module CLKBUF1 (input A, output Y); assign Y = A; endmodule
module AND2X1 (input A, B, output Y); assign Y = A & B; endmodule
module OR2X1 (input A, B, output Y); assign Y = A | B; endmodule
module NAND2X1 (input A, B, output Y); assign Y = ~(A & B); endmodule
module NAND3X1 (input A, B, C, output Y); assign Y = ~(A & B & C); endmodule
module NOR2X1 (input A, B, output Y); assign Y = ~(A | B); endmodule
module NOR3X1 (input A, B, C, output Y); assign Y = ~(A | B | C); endmodule
module XOR2X1 (input A, B, output Y); assign Y = A ^ B; endmodule
module XNOR2X1 (input A, B, output Y); assign Y = ~(A ^ B); endmodule
module AOI21X1 (input A, B, C, output Y); assign Y = ~(A & B | C); endmodule
module AOI22X1 (input A, B, C, D, output Y); assign Y = ~(A & B | C & D); endmodule
module OAI21X1 (input A, B, C, output Y); assign Y = ~((A | B) & C); endmodule
module OAI22X1 (input A, B, C, D, output Y); assign Y = ~((A | B) & (C | D)); endmodule
module MUX2X1 (input A, B, S, output Y); assign Y = ~(S ? A : B); endmodule
module HAX1 (input A, B, output YC, YS); assign YC = A & B; assign YS = A ^ B; endmodule
module FAX1 (input A, B, C, output YC, YS); assign YC = A & B | (A ^ B) & C; assign YS = A ^ B ^ C; endmodule

// Nangate Open Cell Library, 45 nm
module LOGIC0_X1 (output Z); assign Z = 1'b0; endmodule
module LOGIC1_X1 (output Z); assign Z = 1'b1; endmodule
module INV_X1 (input A, output ZN); assign ZN = ~A; endmodule
module BUF_X1 (input A, output Z); assign Z = A; endmodule
module CLKBUF_X1 (input A, output Z); assign Z = A; endmodule
module AND2_X1 (input A1, A2, output ZN); assign ZN = A1 & A2; endmodule
module AND3_X1 (input A1, A2, A3, output ZN); assign ZN = A1 & A2 & A3; endmodule
module AND4_X1 (input A1, A2, A3, A4, output ZN); assign ZN = A1 & A2 & A3 & A4; endmodule
module OR2_X1 (input A1, A2, output ZN); assign ZN = A1 | A2; endmodule
module OR3_X1 (input A1, A2, A3, output ZN); assign ZN = A1 | A2 | A3; endmodule
module OR4_X1 (input A1, A2, A3, A4, output ZN); assign ZN = A1 | A2 | A3 | A4; endmodule
module NAND2_X1 (input A1, A2, output ZN); assign ZN = ~(A1 & A2); endmodule
module NAND3_X1 (input A1, A2, A3, output ZN); assign ZN = ~(A1 & A2 & A3); endmodule
module NAND4_X1 (input A1, A2, A3, A4, output ZN); assign ZN = ~(A1 & A2 & A3 & A4); endmodule
module NOR2_X1 (input A1, A2, output ZN); assign ZN = ~(A1 | A2); endmodule
module NOR3_X1 (input A1, A2, A3, output ZN); assign ZN = ~(A1 | A2 | A3); endmodule
module NOR4_X1 (input A1, A2, A3, A4, output ZN); assign ZN = ~(A1 | A2 | A3 | A4); endmodule
module XOR2_X1 (input A, B, output Z); assign Z = A ^ B; endmodule
module XNOR2_X1 (input A, B, output ZN); assign ZN = ~(A ^ B); endmodule
module AOI21_X1 (input A, B1, B2, output ZN); assign ZN = ~(A | B1 & B2); endmodule
module AOI22_X1 (input A1, A2, B1, B2, output ZN); assign ZN = ~(A1 & A2 | B1 & B2); endmodule
module AOI211_X1 (input A, B, C1, C2, output ZN); assign ZN = ~(A | B | C1 & C2); endmodule
module OAI21_X1 (input A, B1, B2, output ZN); assign ZN = ~(A & (B1 | B2)); endmodule
module OAI22_X1 (input A1, A2, B1, B2, output ZN); assign ZN = ~((A1 | A2) & (B1 | B2)); endmodule
module OAI211_X1 (input A, B, C1, C2, output ZN); assign ZN = ~(A & B & (C1 | C2)); endmodule
module MUX2_X1 (input A, B, S, output Z); assign Z = S ? B : A; endmodule
module HA_X1 (input A, B, output CO, S); assign CO = A & B; assign S = A ^ B; endmodule
module FA_X1 (input A, B, CI, output CO, S); assign CO = A & B | (A ^ B) & CI; assign S = A ^ B ^ CI; endmodule
