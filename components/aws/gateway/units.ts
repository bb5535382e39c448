const home = "/opt/shadownet/current";

/** Names of the units, in the order in which they start. */
export const unitNames = ["shadownet-network.service", "shadownet-gateway.service", "shadownet-agent.service"] as const;

/**
 * What the gateway and its agent may do: nothing that takes privilege. No capability is left, because the network script
 * has made every address outside local and every port free to bind, and has raised the bound of receive buffers.
 */
const hardening = `User=shadownet
Group=shadownet
EnvironmentFile=/etc/shadownet/gateway.env
RuntimeDirectory=shadownet
RuntimeDirectoryPreserve=yes
RuntimeDirectoryMode=0700
StateDirectory=shadownet
StateDirectoryMode=0700
CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077
Restart=always
RestartSec=2`;

const after = `After=shadownet-network.service
Requires=shadownet-network.service
StartLimitIntervalSec=0`;

/** The systemd units of a gateway instance by name. */
export const units: Record<(typeof unitNames)[number], string> = {
  "shadownet-network.service": `[Unit]
Description=Network of a shadownet gateway
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${home}/network.sh

[Install]
WantedBy=multi-user.target
`,
  "shadownet-gateway.service": `[Unit]
Description=shadownet gateway
${after}

[Service]
ExecStartPre=${home}/bin/node ${home}/agent.js /etc/shadownet/boot.json --prepare
ExecStart=${home}/gateway.sh
LimitNOFILE=1048576
${hardening}

[Install]
WantedBy=multi-user.target
`,
  "shadownet-agent.service": `[Unit]
Description=Agent of a shadownet gateway
${after}

[Service]
ExecStart=${home}/bin/node ${home}/agent.js /etc/shadownet/boot.json
${hardening}

[Install]
WantedBy=multi-user.target
`,
};

/** Starts the gateway and leaves its process id for the agent. */
export const gatewayScript = `#!/bin/sh
echo $$ > "$RUN_FOLDER/gateway.pid"
exec "${home}/bin/node" "${home}/gateway.js" "$RUN_FOLDER/config.json"
`;
