"""A GRU that learns at every step, between an encoder and a head of PyTorch, under an optimizer of PyTorch."""

import rtrl
import torch
from rtrl.torch import Online

torch.manual_seed(0)
encoder = torch.nn.Linear(2, 8)
core = Online(rtrl.Gru(32), 8, estimator=rtrl.SnAp(1), lanes=4)
head = torch.nn.Linear(core.hidden, 1)
optimizer = torch.optim.Adam([*encoder.parameters(), *core.parameters(), *head.parameters()], lr=0.003)

phase, mean = torch.rand(4, 1) * 6, 1.0
for t in range(2000):
    now, following = torch.sin(0.3 * t + phase), torch.sin(0.3 * (t + 1) + phase)
    optimizer.zero_grad()
    loss = (head(core(encoder(torch.cat([now, now**2], dim=1)))) - following).pow(2).mean()
    loss.backward()  # of this step alone: the estimator knows how the weights acted at all steps before
    optimizer.step()
    mean += 0.01 * (loss.item() - mean)

print(f"mean squared error {mean:.5f}, of 0.5 by predicting 0")
print("as a layer of PyTorch:", core.to_pytorch())
assert mean < 0.02
