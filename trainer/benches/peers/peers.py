"""Stable-Baselines3 and sbx on what `trainer/benches/agents.rs` runs: one JSON line per result.

    peers.py speed sb3|sbx WIDTH BATCH   gradient updates per CPU second, updates alone and whole loop
    peers.py curve SEED [RATE]           returns of SB3's SAC on Pendulum-v1 by training step
"""

import json
import os
import sys
import time

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import gymnasium as gym
import numpy as np

STARTS = 20
WARM_UP = 1000


def sac(peer, width, batch, seed, env, rate=3e-4):
    """SAC with the settings that both sides share; the rest are the peer's defaults, which are the same."""
    settings = dict(
        learning_rate=rate, batch_size=batch, tau=0.005, gamma=0.99, train_freq=1, gradient_steps=1,
        learning_starts=WARM_UP, buffer_size=100_000, seed=seed, verbose=0,
    )
    if peer == "sbx":
        from sbx import SAC

        return SAC("MlpPolicy", env, policy_kwargs=dict(net_arch=[width, width]), **settings)
    import torch
    from stable_baselines3 import SAC

    torch.set_num_threads(1)
    return SAC("MlpPolicy", env, device="cpu", policy_kwargs=dict(net_arch=[width, width]), **settings)


def per_cpu_second(count, work):
    start = time.process_time()
    work()
    return count / (time.process_time() - start)


def speed(peer, width, batch):
    env = gym.make("Pendulum-v1")
    model = sac(peer, width, batch, 0, env)
    model.learn(WARM_UP + 100)
    # sbx compiles one program for each number of updates in a call: first once outside of the clock.
    block = 50
    train = (lambda: model.train(batch, block)) if peer == "sbx" else (lambda: model.train(block, batch))
    train()
    updates = max(per_cpu_second(block, train) for _ in range(4))
    more = 200
    loop = max(
        per_cpu_second(more, lambda: model.learn(more, reset_num_timesteps=False)) for _ in range(2)
    )
    print(json.dumps(dict(peer=peer, width=width, batch=batch, updates_per_cpu_second=updates,
                          loop_per_cpu_second=loop)), flush=True)


def evaluate(model):
    env = gym.make("Pendulum-v1")
    returns = []
    for seed in range(STARTS):
        observation, _ = env.reset(seed=10_000 + seed)
        total, done = 0.0, False
        while not done:
            action, _ = model.predict(observation, deterministic=True)
            observation, reward, terminated, truncated, _ = env.step(action)
            total += float(reward)
            done = terminated or truncated
        returns.append(total)
    return float(np.mean(returns))


def curve(seed, rate):
    model = sac("sb3", 64, 64, seed, gym.make("Pendulum-v1"), rate)
    spent = 0.0
    for step in range(5_000, 20_001, 5_000):
        start = time.process_time()
        model.learn(5_000, reset_num_timesteps=step == 5_000)
        spent += time.process_time() - start
        print(json.dumps(dict(peer="sb3", seed=seed, rate=rate, step=step, mean_return=evaluate(model), cpu_seconds=spent)),
              flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["speed", peer, width, batch]:
            speed(peer, int(width), int(batch))
        case ["curve", seed, *rate]:
            curve(int(seed), float(rate[0]) if rate else 3e-4)
        case _:
            sys.exit(__doc__)
